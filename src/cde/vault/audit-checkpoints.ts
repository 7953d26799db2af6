import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { errorFields, type Logger } from '../../kit/log.ts'
import { checkpointEntry, type CheckpointSigner } from './audit-checkpoint.ts'
import type { Store } from './store.ts'

/** So many records, or so long after the last checkpoint, and there is another: what lies behind it can be made anew by a thief. */
const RECORDS_BETWEEN_MAX = 1_000
const MS_BETWEEN_MAX = 300_000
const LOOK_EVERY_MS = 1_000
const OWNER_ONLY = 0o600

export type CheckpointsOptions = {
  readonly store: Pick<Store, 'auditHead' | 'append' | 'leads'>
  readonly signer: CheckpointSigner
  /** Keeps the newest checkpoint as a line of its own, to be taken elsewhere: it finds a chain that was cut. */
  readonly file: string
  readonly nowMs: () => number
  readonly logger: Logger
  readonly recordsBetween?: number
  readonly msBetween?: number
  readonly lookEveryMs?: number
}

/** Puts signed checkpoints into the chain, of several vaults on one store the one that leads: every so many records, every so often when there was one, and at the end. */
export class AuditCheckpoints {
  readonly #options: CheckpointsOptions
  readonly #timer: NodeJS.Timeout
  /** The checkpoint's own sequence: it is no reason for another. */
  #lastSequence = 0
  #lastMs: number
  #underWay: Promise<void> = Promise.resolve()
  #closed: Promise<void> | null = null

  constructor(options: CheckpointsOptions) {
    this.#options = options
    this.#lastMs = options.nowMs()
    this.#timer = setInterval(() => void this.#inTurn(() => this.#look()), options.lookEveryMs ?? LOOK_EVERY_MS)
    this.#timer.unref()
  }

  /** Signs the head now, unless the last record is a checkpoint of ours. Never rejects: a failure is told to the log. */
  sign(): Promise<void> {
    return this.#inTurn(() => this.#sign())
  }

  /** Signs what is left. Safe to call twice. */
  close(): Promise<void> {
    clearInterval(this.#timer)
    return (this.#closed ??= this.sign())
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const { logger } = this.#options
    const done = this.#underWay.then(work).catch((error: unknown) => {
      logger.error({ code: 'checkpoint_failed', ...errorFields(error) }, 'the audit record could not be signed')
    })
    this.#underWay = done
    return done
  }

  async #look(): Promise<void> {
    const { store, nowMs, recordsBetween = RECORDS_BETWEEN_MAX, msBetween = MS_BETWEEN_MAX } = this.#options
    if (this.#closed !== null) return
    const unsigned = (await store.auditHead()).sequence - this.#lastSequence
    if (unsigned >= recordsBetween || (unsigned > 0 && nowMs() - this.#lastMs >= msBetween)) await this.#sign()
  }

  async #sign(): Promise<void> {
    const { store, signer, nowMs, file } = this.#options
    if (!(await store.leads())) return
    const head = await store.auditHead()
    if (head.sequence === this.#lastSequence) return
    const entry = await checkpointEntry(signer, head, nowMs())
    await store.append(entry)
    // When others have written meanwhile, this is not the checkpoint's own number: then there is more to sign, and a look sees it.
    this.#lastSequence = head.sequence + 1
    this.#lastMs = nowMs()
    keepLine(file, entry.resource)
  }
}

/** Whole or not at all: written beside, made durable, renamed. */
function keepLine(file: string, line: string): void {
  const unfinished = file + '.new'
  const descriptor = openSync(unfinished, 'w', OWNER_ONLY)
  try {
    writeSync(descriptor, line + '\n')
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(unfinished, file)
}
