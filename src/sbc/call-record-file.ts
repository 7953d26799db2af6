import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { errorFields, type Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { CallRecord } from './call-record.ts'

/** Lines that wait for a slow disk: half a minute of 150 calls a second. Further ones are lost and counted. */
const WAITING_MAX = 5_000
/** How long a line waits for others: a write for each call took a twentieth of what a call costs the sbc. */
const GATHER_MS = 50
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/**
 * Call records as JSON lines, a file for each day in UTC, appended to and never changed: calls-2026-11-22.jsonl. Nothing
 * waits for it, and a full disk ends no call: it is told once, until lines can be written again, and counted.
 */
export class CallRecordFile {
  readonly #folder: string
  readonly #logger: Logger
  readonly #count: (outcome: 'written' | 'lost') => void
  #waiting: { readonly file: string; readonly line: string }[] = []
  #writing: Promise<void> | null = null
  #isFailing = false

  constructor(options: { readonly folder: string; readonly logger: Logger; readonly metrics: Metrics }) {
    this.#folder = options.folder
    this.#logger = options.logger
    const counter = options.metrics.counter('tonewall_sbc_call_records_total', 'Call records', ['outcome'])
    this.#count = (outcome) => counter.inc({ outcome })
  }

  write(record: CallRecord): void {
    if (this.#waiting.length >= WAITING_MAX) return this.#count('lost')
    this.#waiting.push({ file: `calls-${record.endedAt.slice(0, 10)}.jsonl`, line: `${JSON.stringify(record)}\n` })
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = null
    })
  }

  /** Resolves when everything so far is written, or could not be. */
  async close(): Promise<void> {
    while (this.#writing !== null) await this.#writing
  }

  /** All lines of one day that wait go into one write. */
  async #drain(): Promise<void> {
    await delay(GATHER_MS)
    while (this.#waiting.length > 0) {
      const { file } = this.#waiting[0] ?? { file: '' }
      const lines = this.#waiting.filter((waiting) => waiting.file === file).map(({ line }) => line)
      this.#waiting = this.#waiting.filter((waiting) => waiting.file !== file)
      const written = await this.#append(file, lines.join(''))
      for (let count = 0; count < lines.length; count += 1) this.#count(written ? 'written' : 'lost')
    }
  }

  async #append(file: string, text: string): Promise<boolean> {
    try {
      const append = (): Promise<void> => appendFile(join(this.#folder, file), text, { mode: FILE_MODE })
      await append().catch(async (error: unknown) => {
        if (errorFields(error).errorCode !== 'ENOENT') throw error
        await mkdir(this.#folder, { recursive: true, mode: FOLDER_MODE })
        await append()
      })
      this.#isFailing = false
      return true
    } catch (error) {
      if (!this.#isFailing) this.#logger.error({ file, ...errorFields(error) }, 'call records cannot be written')
      this.#isFailing = true
      return false
    }
  }
}
