import type { AudioPiece } from '../judge/recording.ts'

const SAMPLE_US = 125

/** How late, and by rounding how early, audio may be. */
const LATE_MAX_US = 400_000
const EARLY_MAX_US = 10_000

/** Below this normalised correlation two stretches are not the same audio; at the last offset less search is needed. */
const ALIKE = 0.6
const SURELY_ALIKE = 0.9

/** Root mean square under which there is nothing to align. */
const SOUND_RMS = 60

/** Shorter stretches than 100 ms can be found in too many places. */
const SAMPLES_MIN = 800

/** Sent audio laid out on the monotonic clock, in which stretches of received audio are found again. */
export class AudioAlignment {
  readonly #startUs: number
  readonly #samples: Float64Array
  readonly #energy: Float64Array
  readonly #pieces: readonly AudioPiece[]
  #lastLateUs: number | undefined

  constructor(sent: readonly AudioPiece[]) {
    this.#pieces = [...sent].sort((first, second) => first.atUs - second.atUs)
    this.#startUs = sent.reduce((first, { atUs }) => Math.min(first, atUs), sent[0]?.atUs ?? 0)
    const endUs = sent.reduce((last, { atUs, samples }) => Math.max(last, atUs + samples.length * SAMPLE_US), 0)
    this.#samples = new Float64Array(Math.max(0, Math.round((endUs - this.#startUs) / SAMPLE_US)))
    for (const { atUs, samples } of sent) {
      const at = Math.round((atUs - this.#startUs) / SAMPLE_US)
      for (const [offset, sample] of samples.entries()) this.#samples[at + offset] = sample
    }
    this.#energy = new Float64Array(this.#samples.length + 1)
    for (const [at, sample] of this.#samples.entries()) {
      this.#energy[at + 1] = (this.#energy[at] ?? 0) + sample * sample
    }
  }

  /**
   * When what was spoken at this time of the even sample clock truly left, in its packet (monotonic us).
   * Undefined where nothing was sent.
   */
  leftUs(spokenUs: number): number | undefined {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#pieces[middle]?.atUs ?? 0) <= spokenUs) low = middle + 1
      else high = middle
    }
    const piece = this.#pieces[low - 1]
    return piece === undefined ? undefined : piece.packet.atUs + (spokenUs - piece.atUs)
  }

  /** When, on the even sample clock, the first sample of this stretch was spoken; undefined when it is not found. */
  find(stretch: readonly AudioPiece[]): number | undefined {
    const first = stretch[0]
    if (first === undefined) return undefined
    const heard = Float64Array.from(stretch.flatMap(({ samples }) => Array.from(samples)))
    const energy = heard.reduce((sum, sample) => sum + sample * sample, 0)
    if (heard.length < SAMPLES_MIN || Math.sqrt(energy / heard.length) < SOUND_RMS) return undefined
    const arrived = Math.round((first.packet.atUs - this.#startUs) / SAMPLE_US)
    if (this.#lastLateUs !== undefined) {
      const near = this.#search(heard, energy, {
        from: arrived - Math.round(this.#lastLateUs / SAMPLE_US) - NEAR_SAMPLES,
        to: arrived - Math.round(this.#lastLateUs / SAMPLE_US) + NEAR_SAMPLES,
      })
      if (near.alike > SURELY_ALIKE) return this.#found(near.at, first.packet.atUs)
    }
    const far = this.#search(heard, energy, {
      from: arrived - LATE_MAX_US / SAMPLE_US,
      to: arrived + EARLY_MAX_US / SAMPLE_US,
    })
    return far.alike > ALIKE ? this.#found(far.at, first.packet.atUs) : undefined
  }

  #found(at: number, arrivedUs: number): number {
    const sentUs = this.#startUs + at * SAMPLE_US
    this.#lastLateUs = arrivedUs - sentUs
    return sentUs
  }

  #search(
    heard: Float64Array,
    energy: number,
    range: { readonly from: number; readonly to: number },
  ): { readonly at: number; readonly alike: number } {
    let best = { at: 0, alike: 0 }
    const last = Math.min(range.to, this.#samples.length - heard.length)
    for (let at = Math.max(0, range.from); at <= last; at += 1) {
      let product = 0
      for (let index = 0; index < heard.length; index += 1) {
        product += (heard[index] as number) * (this.#samples[at + index] as number)
      }
      const sentEnergy = (this.#energy[at + heard.length] ?? 0) - (this.#energy[at] ?? 0)
      const alike = sentEnergy === 0 ? 0 : product / Math.sqrt(sentEnergy * energy)
      if (alike > best.alike) best = { at, alike }
    }
    return best
  }
}

/** 10 ms either side of where the last stretch was found: arrival times wander by that much on a busy machine. */
const NEAR_SAMPLES = 80
