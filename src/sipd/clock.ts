/** A running timer. cancel() may be called twice, and after it has fired. */
export type Timer = { cancel(): void }

/** Time as the SIP core sees it, so that tests can move it. */
export type Clock = { after(delayMs: number, fire: () => void): Timer }

export const SYSTEM_CLOCK: Clock = {
  after(delayMs, fire) {
    // Sockets keep the process alive; a timer that is left when they are closed must not.
    const timer = setTimeout(fire, delayMs).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** The named timers of one transaction. */
export class TimerSet<Name extends string> {
  readonly #clock: Clock
  readonly #running = new Map<Name, Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(name: Name, delayMs: number, fire: () => void): void {
    this.clear(name)
    const timer = this.#clock.after(delayMs, () => {
      this.#running.delete(name)
      fire()
    })
    this.#running.set(name, timer)
  }

  clear(name: Name): void {
    this.#running.get(name)?.cancel()
    this.#running.delete(name)
  }

  clearAll(): void {
    for (const timer of this.#running.values()) timer.cancel()
    this.#running.clear()
  }
}
