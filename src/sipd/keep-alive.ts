import type { Clock, Timer } from './clock.ts'

/** Between 95 and 120 s, so that the address translators on the way keep the connection (RFC 5626 section 4.4.1). */
export const PING_INTERVAL_MS = 100_000

/** How long a pong may take (RFC 5626 section 4.4.1). */
export const PONG_WAIT_MS = 10_000

const CR = 0x0d
const LF = 0x0a

/**
 * The double CRLF that keeps a connection of ours open, and the single CRLF that answers it. A peer that has answered
 * once must go on answering; one that never did may not know of this, and is left alone.
 */
export class KeepAlive {
  readonly #options: {
    readonly clock: Clock
    readonly intervalMs: number
    readonly ping: () => void
    readonly dead: () => void
  }
  #timer: Timer | undefined
  #awaiting = false
  #known = false

  constructor(options: {
    readonly clock: Clock
    readonly intervalMs: number
    readonly ping: () => void
    /** The peer does not answer any more. */
    readonly dead: () => void
  }) {
    this.#options = options
    this.#wait()
  }

  /** Takes the pong off what arrived between two messages; the rest belongs to the messages. */
  withoutPong(chunk: Buffer, betweenMessages: boolean): Buffer {
    if (!this.#awaiting || !betweenMessages || chunk[0] !== CR || chunk[1] !== LF) return chunk
    this.#awaiting = false
    this.#known = true
    this.#wait()
    return chunk.subarray(2)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #wait(): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(this.#options.intervalMs, () => {
      this.#awaiting = true
      this.#options.ping()
      this.#timer = this.#options.clock.after(PONG_WAIT_MS, () => {
        if (this.#known) this.#options.dead()
        else this.#wait()
      })
    })
  }
}
