import type { Clock, Timer } from './clock.ts'
import type { TransactionTimes } from './transaction-step.ts'

/**
 * Sends the same bytes again until stopped: a 2xx until its ACK (RFC 3261 section 13.3.1.4, interval doubling up to T2)
 * or a reliable provisional until its PRACK (RFC 3262 section 3, interval doubling without limit). Gives up after 64 * T1.
 */
export class Repeater {
  readonly #clock: Clock
  readonly #intervalMaxMs: number
  readonly #send: () => void
  #intervalMs: number
  #again: Timer
  readonly #deadline: Timer

  constructor(options: {
    readonly clock: Clock
    readonly times: TransactionTimes
    readonly capped: boolean
    /** Sends the bytes; the first time is the caller's. */
    readonly send: () => void
    readonly giveUp: () => void
  }) {
    this.#clock = options.clock
    this.#intervalMs = options.times.t1Ms
    this.#intervalMaxMs = options.capped ? options.times.t2Ms : Number.POSITIVE_INFINITY
    this.#send = options.send
    this.#again = this.#schedule()
    this.#deadline = options.clock.after(64 * options.times.t1Ms, () => {
      this.stop()
      options.giveUp()
    })
  }

  stop(): void {
    this.#again.cancel()
    this.#deadline.cancel()
  }

  #schedule(): Timer {
    return this.#clock.after(this.#intervalMs, () => {
      this.#send()
      this.#intervalMs = Math.min(this.#intervalMs * 2, this.#intervalMaxMs)
      this.#again = this.#schedule()
    })
  }
}
