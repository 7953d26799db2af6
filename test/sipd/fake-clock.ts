import type { Clock } from '../../src/sipd/clock.ts'

/** Time that moves only when a test says so; timers fire in order, at their exact time. */
export class FakeClock implements Clock {
  #now = 0
  #timers: { readonly at: number; readonly fire: () => void }[] = []

  get now(): number {
    return this.#now
  }

  /** Timers that still run. */
  get running(): number {
    return this.#timers.length
  }

  after(delayMs: number, fire: () => void): { cancel(): void } {
    const timer = { at: this.#now + delayMs, fire }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  advance(byMs: number): void {
    const end = this.#now + byMs
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = next.at
      next.fire()
    }
    this.#now = end
  }
}
