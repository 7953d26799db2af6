/** How long a line may wait for others. A person who watches a log does not notice. */
const WAIT_MS = 50
/** More than this is written at once; a pipe takes 64 KiB before its writer has to wait. */
const WAITING_CHARACTERS_MAX = 8_192
/** pino's lines begin with their level: debug is 20, info 30. */
const UNHURRIED = /^\{"level":[1-3]0,/

/**
 * Log lines on their way out. A system call for each line was a fifth of a profile of the sbc by wall time, so what is
 * only told for the record waits a moment for others; warnings and errors go at once, and take along what waits.
 */
export class LineWriter {
  readonly #write: (text: string) => void
  #waiting = ''
  #timer: NodeJS.Timeout | null = null

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  write(line: string): void {
    this.#waiting += line
    if (!UNHURRIED.test(line) || this.#waiting.length >= WAITING_CHARACTERS_MAX) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), WAIT_MS).unref()
  }

  /** Writes what waits: before the process ends, too. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#waiting === '') return
    const text = this.#waiting
    this.#waiting = ''
    this.#write(text)
  }
}
