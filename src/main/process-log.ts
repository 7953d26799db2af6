import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** One file and one older one a process: a full disk would stop the vault. */
const FILE_BYTES_MAX = 16_777_216
/** Our own lines are far shorter; what never ends in a line is cut. */
const LINE_BYTES_MAX = 16_384

/** Keeps the log lines of one process in a file, the older half in `<file>.1`, and hands each line on. */
export class ProcessLog {
  readonly #file: string
  readonly #line: (line: string) => void
  #descriptor: number
  #bytes: number
  #rest = ''

  constructor(options: { readonly file: string; readonly line: (line: string) => void }) {
    this.#file = options.file
    this.#line = options.line
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 })
    this.#descriptor = openSync(this.#file, 'a', 0o600)
    this.#bytes = statSync(this.#file).size
  }

  /** Takes a piece of the process's output; lines may be cut anywhere. */
  write(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#append(line)
    if (this.#rest.length > LINE_BYTES_MAX) {
      this.#append(this.#rest.slice(0, LINE_BYTES_MAX))
      this.#rest = ''
    }
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#descriptor < 0) return
    if (this.#rest !== '') this.#append(this.#rest)
    this.#rest = ''
    closeSync(this.#descriptor)
    this.#descriptor = -1
  }

  #append(line: string): void {
    if (this.#descriptor < 0) return
    if (this.#bytes > FILE_BYTES_MAX) this.#turn()
    this.#bytes += writeSync(this.#descriptor, `${line}\n`)
    this.#line(line)
  }

  #turn(): void {
    closeSync(this.#descriptor)
    renameSync(this.#file, `${this.#file}.1`)
    this.#descriptor = openSync(this.#file, 'a', 0o600)
    this.#bytes = 0
  }
}

/**
 * A warning or error of a process as one line for people, or null for what is less. The line went through the
 * allow-list of kit/log.ts in the process that wrote it; what is no such line is not shown.
 */
export function warningText(line: string): string | null {
  const entry = parseLine(line)
  if (entry === null || typeof entry['level'] !== 'number' || entry['level'] < 40) return null
  const text = typeof entry['msg'] === 'string' ? entry['msg'] : ''
  const facts = Object.entries(entry)
    .filter(([name]) => !['level', 'time', 'role', 'pid', 'msg'].includes(name))
    .map(([name, value]) => `${name}=${String(value)}`)
  return facts.length === 0 ? text : `${text} (${facts.join(', ')})`
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
