/** Transit times kept for a percentile; an hour of packets. */
const TRANSITS_MAX = 200_000
/** A larger step is a timestamp that jumped, not a network. */
const JUMP_MS = 1_000
/** RFC 3550 section 6.4.1: the gain that halves what a single packet says about 11 packets later. */
const GAIN = 16

/** How unevenly the audio of one source arrives, against its timestamps. */
export class ArrivalClock {
  #last: { readonly transitMs: number; readonly timestamp: number } | null = null
  #shiftMs = 0
  #jitterMs = 0
  #jitterMsMax = 0
  readonly #transits: number[] = []
  #timeMs = 0

  /** Timestamps of an 8 kHz clock. */
  take(timestamp: number, nowMs: number): void {
    const last = this.#last
    if (last !== null) this.#timeMs += ((timestamp - last.timestamp) | 0) / 8
    let transitMs = nowMs - this.#timeMs - this.#shiftMs
    if (last !== null) {
      const step = transitMs - last.transitMs
      if (Math.abs(step) > JUMP_MS) {
        this.#shiftMs += step
        transitMs = last.transitMs
      } else {
        this.#jitterMs += (Math.abs(step) - this.#jitterMs) / GAIN
        this.#jitterMsMax = Math.max(this.#jitterMsMax, this.#jitterMs)
      }
    }
    this.#last = { transitMs, timestamp }
    if (this.#transits.length < TRANSITS_MAX) this.#transits.push(transitMs)
  }

  get jitterMs(): number {
    return this.#jitterMsMax
  }

  /** How much later than the earliest the given share of packets came, at most. */
  lateMs(share: number): number {
    const sorted = Float64Array.from(this.#transits).sort()
    const first = sorted[0]
    if (first === undefined) return 0
    return (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? first) - first
  }
}
