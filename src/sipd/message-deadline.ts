import { TimerSet, type Clock } from './clock.ts'

/** Why a connection was not let in or not kept. */
export type ConnectionLimit = 'connections' | 'connections_per_peer' | 'silent_connection' | 'slow_sender'

/** Ends a connection that costs memory and brings nothing: one without a first message, or with a message that drips in. */
export class MessageDeadline {
  readonly #timers: TimerSet<'first' | 'message'>
  readonly #messageMs: number
  readonly #expired: (limit: ConnectionLimit) => void
  #inMessage = false

  constructor(options: {
    readonly clock: Clock
    /** Undefined for a connection that we opened: there the peer may wait for us. */
    readonly firstMs: number | undefined
    readonly messageMs: number
    readonly expired: (limit: ConnectionLimit) => void
  }) {
    this.#timers = new TimerSet(options.clock)
    this.#messageMs = options.messageMs
    this.#expired = options.expired
    if (options.firstMs !== undefined)
      this.#timers.set('first', options.firstMs, () => options.expired('silent_connection'))
  }

  /** Bytes came: `completed` when a message or keep-alive ended with them, `partial` when one has begun and not ended. */
  heard(state: { readonly completed: boolean; readonly partial: boolean }): void {
    if (state.completed) this.#timers.clear('first')
    if (state.completed || !state.partial) {
      this.#timers.clear('message')
      this.#inMessage = false
    }
    // Each message has its own deadline, and further bytes of it do not move that.
    if (!state.partial || this.#inMessage) return
    this.#inMessage = true
    this.#timers.set('message', this.#messageMs, () => this.#expired('slow_sender'))
  }

  stop(): void {
    this.#timers.clearAll()
  }
}
