/** Node's timers count whole milliseconds. */
const TIMER_MS_MIN = 1
/** The longest that Node's timers can wait is 2^31 - 1 ms; nothing here waits longer than this. */
const TIMER_MS_MAX = 60_000

export type Due = {
  readonly tick: (nowMs: number) => void
  /** When tick() has something to do, or Infinity. */
  readonly dueMs: (nowMs: number) => number
}

/**
 * One timer of the system's for all that share it: a hundred windows whose packets are due within one millisecond wake
 * the process once, not a hundred times.
 */
export class DueTimers {
  readonly #clockMs: () => number
  #entries: Entry[] = []
  #timer: NodeJS.Timeout | null = null
  #armedForMs = Infinity
  #firing = false

  constructor(clockMs: () => number) {
    this.#clockMs = clockMs
  }

  add(due: Due): DueTimer {
    const entry: Entry = { due, armedForMs: Infinity, closed: false }
    this.#entries.push(entry)
    return {
      poke: (nowMs) => this.#poke(entry, nowMs),
      close: () => this.#close(entry),
    }
  }

  #poke(entry: Entry, nowMs: number): void {
    if (entry.closed) return
    const dueMs = entry.due.dueMs(nowMs)
    if (dueMs >= entry.armedForMs) return
    entry.armedForMs = dueMs
    this.#arm(dueMs, nowMs)
  }

  #arm(dueMs: number, nowMs: number): void {
    if (dueMs >= this.#armedForMs) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#armedForMs = dueMs
    const delayMs = Math.min(TIMER_MS_MAX, Math.max(TIMER_MS_MIN, Math.ceil(dueMs - nowMs)))
    this.#timer = setTimeout(this.#fire, delayMs)
  }

  /** Ticks what is due by now. A tick may add, poke and close others; what is closed is taken out when all had their turn. */
  readonly #fire = (): void => {
    this.#timer = null
    this.#armedForMs = Infinity
    this.#firing = true
    const nowMs = this.#clockMs()
    let nextMs = Infinity
    for (const entry of this.#entries) {
      if (entry.armedForMs <= nowMs && !entry.closed) {
        entry.armedForMs = Infinity
        entry.due.tick(nowMs)
        entry.armedForMs = entry.due.dueMs(nowMs)
      }
      if (entry.armedForMs < nextMs && !entry.closed) nextMs = entry.armedForMs
    }
    this.#firing = false
    this.#sweep()
    this.#arm(nextMs, nowMs)
  }

  #close(entry: Entry): void {
    if (entry.closed) return
    entry.closed = true
    if (!this.#firing) this.#sweep()
  }

  #sweep(): void {
    if (this.#entries.some((entry) => entry.closed)) this.#entries = this.#entries.filter((entry) => !entry.closed)
    if (this.#entries.length > 0 || this.#timer === null) return
    clearTimeout(this.#timer)
    this.#timer = null
    this.#armedForMs = Infinity
  }
}

/**
 * `poke` is called after anything that may have changed when something is due; it is cheap while the timer is armed for
 * an earlier time. After close(), which may be called twice, nothing ticks.
 */
export type DueTimer = { readonly poke: (nowMs: number) => void; readonly close: () => void }

type Entry = { readonly due: Due; armedForMs: number; closed: boolean }
