/** Node's timers count whole milliseconds. */
const TIMER_MS_MIN = 1
/** The longest that Node's timers can wait is 2^31 - 1 ms; nothing here waits longer than this. */
const TIMER_MS_MAX = 60_000

/**
 * One timer that runs `tick` when something is due. `poke` is called after anything that may have changed when that is;
 * it costs nothing while the timer is armed for an earlier time.
 */
export class DueTimer {
  readonly #clockMs: () => number
  readonly #tick: (nowMs: number) => void
  readonly #dueMs: (nowMs: number) => number
  #timer: NodeJS.Timeout | null = null
  #armedForMs = Infinity
  #closed = false

  constructor(options: {
    readonly clockMs: () => number
    readonly tick: (nowMs: number) => void
    readonly dueMs: (nowMs: number) => number
  }) {
    this.#clockMs = options.clockMs
    this.#tick = options.tick
    this.#dueMs = options.dueMs
  }

  poke(nowMs: number): void {
    const dueMs = this.#dueMs(nowMs)
    if (this.#closed || dueMs >= this.#armedForMs || dueMs === Infinity) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#armedForMs = dueMs
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(TIMER_MS_MIN, Math.ceil(dueMs - nowMs)))
    this.#timer = setTimeout(() => this.#fire(), delayMs)
  }

  /** Safe to call twice. */
  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #fire(): void {
    this.#timer = null
    this.#armedForMs = Infinity
    const nowMs = this.#clockMs()
    this.#tick(nowMs)
    this.poke(nowMs)
  }
}
