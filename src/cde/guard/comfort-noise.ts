import { linearToAlaw, linearToUlaw, type G711Law } from './g711.ts'

/** Power of two, so that a position is reduced with a mask; 1.02 s at 8 kHz is too long to be heard as a loop. */
const TABLE_SAMPLES = 8192

/**
 * Root mean square of the noise in 16-bit units. 0 dBm0 is an RMS of 15,770 in G.711, so this is -57 dBm0: an open
 * line, not a dead one, and below what a person takes for a fault.
 */
const NOISE_RMS = 22

/**
 * What the agent hears instead of masked audio: white noise of one fixed level, the same sample at the same place of
 * the timeline whatever the payer does. Neither level nor sequence depends on the payer's audio, so nothing of it can
 * be read back from the noise.
 */
export class ComfortNoise {
  readonly #ulaw = new Uint8Array(TABLE_SAMPLES)
  readonly #alaw = new Uint8Array(TABLE_SAMPLES)

  /** The seed is a 32-bit number that must not come from the payer; the guard draws it per window. */
  constructor(seed: number) {
    const draw = xorshift(seed)
    for (let index = 0; index < TABLE_SAMPLES; index += 1) {
      // Four uniform draws summed are near enough to normal (Irwin-Hall; the variance of each is 1/12).
      const normal = (draw() + draw() + draw() + draw() - 2) * Math.sqrt(3)
      const sample = Math.round(normal * NOISE_RMS)
      this.#ulaw[index] = linearToUlaw(sample)
      this.#alaw[index] = linearToAlaw(sample)
    }
  }

  /** Overwrites `length` bytes of the target from `start` with the noise that belongs to timeline `position`. */
  fill(span: {
    readonly target: Uint8Array
    readonly start: number
    readonly length: number
    readonly position: number
    readonly law: G711Law
  }): void {
    const table = span.law === 'ulaw' ? this.#ulaw : this.#alaw
    for (let index = 0; index < span.length; index += 1) {
      span.target[span.start + index] = table[(span.position + index) & (TABLE_SAMPLES - 1)] ?? 0
    }
  }
}

/** Marsaglia's xorshift32: 0 up to 1. It need not be secret, only independent of the payer. */
function xorshift(seed: number): () => number {
  let state = seed >>> 0 || 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4294967296
  }
}
