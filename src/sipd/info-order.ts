import type { Clock, Timer } from './clock.ts'

/** A datagram that was lost is sent again after T1 (RFC 3261 section 17.1.2.1), and takes its way once more. */
const AGAIN_MARGIN_MS = 150
/** Keys that a fast hand presses in that time, several times over. */
const WAITING_MAX = 16

/** The longest that an INFO is kept; whoever reads keys out of INFO has to expect one that much later than it was sent. */
export function infoWaitMs(t1Ms: number): number {
  return t1Ms + AGAIN_MARGIN_MS
}

type Waiting = { readonly sequence: number; readonly pass: () => void; readonly timer: Timer }

/**
 * INFOs of one dialog that came before one that was sent earlier. A sender need not wait for an answer before its next
 * INFO; over UDP the first can be lost and come again after the second, and would then have to be refused, since its CSeq
 * is lower (RFC 3261 section 12.2.2). CSeq numbers of a dialog have no gaps (section 12.2.1.1), so one that comes after a
 * gap waits until the gap is filled or the lost one is given up.
 */
export class InfoOrder {
  readonly #clock: Clock
  readonly #waitMs: number
  #waiting: Waiting[] = []

  constructor(options: { readonly clock: Clock; readonly t1Ms: number }) {
    this.#clock = options.clock
    this.#waitMs = infoWaitMs(options.t1Ms)
  }

  /** Keeps what comes after a gap, and passes it on later. Returns false when there is no gap or no room: it is not kept. */
  keep(sequence: number, options: { readonly lastSequence: number; readonly pass: () => void }): boolean {
    const { lastSequence, pass } = options
    // Below zero nothing was heard of the peer yet, and its first number may be any.
    if (lastSequence < 0 || sequence <= lastSequence + 1 || this.#waiting.length >= WAITING_MAX) return false
    const timer = this.#clock.after(this.#waitMs, () => this.passUpTo(sequence))
    this.#waiting.push({ sequence, pass, timer })
    this.#waiting.sort((one, other) => one.sequence - other.sequence)
    return true
  }

  /** Passes on what waits, in order, up to this number and on to the next gap. */
  passUpTo(sequence: number): void {
    let upTo = sequence
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || first.sequence > upTo) return
      this.#waiting.shift()
      upTo = Math.max(upTo, first.sequence + 1)
      first.timer.cancel()
      first.pass()
    }
  }
}
