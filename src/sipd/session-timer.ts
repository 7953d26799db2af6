import { TimerSet, type Clock } from './clock.ts'
import type { SessionTerms } from './session-timer-terms.ts'

/** RFC 4028 section 10: a BYE leaves this long before the session expires, or a third of it if that is less. */
const EARLY_SECONDS = 32

export type SessionTimerEvents = {
  /** Half of the interval is over and the refresh is ours. */
  readonly refresh: () => void
  /** Nobody refreshed in time. */
  readonly expired: () => void
}

/** The clock of one session (RFC 4028): says when to refresh it and when it is over. */
export class SessionTimer {
  readonly #timers: TimerSet<'refresh' | 'expire'>
  readonly #events: SessionTimerEvents
  #terms: SessionTerms | undefined

  constructor(clock: Clock, events: SessionTimerEvents) {
    this.#timers = new TimerSet(clock)
    this.#events = events
  }

  /** What runs; undefined before start() and after stop(). */
  get terms(): SessionTerms | undefined {
    return this.#terms
  }

  /** Begins anew: the session was agreed on or refreshed just now. */
  start(terms: SessionTerms): void {
    this.stop()
    this.#terms = terms
    const { seconds } = terms
    if (terms.refresher === 'us') this.#timers.set('refresh', (seconds / 2) * 1_000, this.#events.refresh)
    this.#timers.set('expire', (seconds - Math.min(EARLY_SECONDS, seconds / 3)) * 1_000, this.#events.expired)
  }

  /** The refresh did not come through, and may be tried again. */
  retry(delayMs: number): void {
    if (this.#terms !== undefined) this.#timers.set('refresh', delayMs, this.#events.refresh)
  }

  stop(): void {
    this.#timers.clearAll()
    this.#terms = undefined
  }
}
