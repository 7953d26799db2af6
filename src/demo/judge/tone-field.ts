import { HIGH_HZ, LOW_HZ, placeOf } from '../audio/tone-pair.ts'

/**
 * The energy at each DTMF frequency in any stretch of a recording, at the cost of one subtraction: running sums of
 * the recording times a complex exponential. Recordings are pre-emphasised first, since speech is strongest below
 * the tones.
 */
export class ToneField {
  readonly length: number
  readonly #real: readonly Float64Array[]
  readonly #imaginary: readonly Float64Array[]
  readonly #energy: Float64Array

  constructor(samples: Int16Array) {
    this.length = samples.length
    const emphasised = Float64Array.from(samples, (sample, at) => sample - EMPHASIS * (samples[at - 1] ?? 0))
    this.#real = FREQUENCIES.map((hz) => runningSum(emphasised, (at) => Math.cos((2 * Math.PI * hz * at) / 8_000)))
    this.#imaginary = FREQUENCIES.map((hz) => runningSum(emphasised, (at) => Math.sin((2 * Math.PI * hz * at) / 8_000)))
    this.#energy = new Float64Array(samples.length + 1)
    for (const [at, sample] of emphasised.entries()) this.#energy[at + 1] = (this.#energy[at] ?? 0) + sample * sample
  }

  /** Energy of the sinusoid at a key's low and high frequency that fits best in [from, from + length). */
  pair(key: string, stretch: Stretch): { readonly low: number; readonly high: number } {
    const place = placeOf(key)
    if (place === undefined || !this.#inside(stretch)) return { low: 0, high: 0 }
    return { low: this.#tone(place.row, stretch), high: this.#tone(LOW_HZ.length + place.column, stretch) }
  }

  /**
   * How much the stretch is like one clean pair of tones, from 0 to 1: twice the geometric mean of the strongest low
   * and the strongest high tone, as a share of all energy. One strong frequency alone, as in a vowel, counts little.
   */
  likeness(stretch: Stretch): number {
    if (!this.#inside(stretch)) return 0
    const energy = (this.#energy[stretch.from + stretch.length] ?? 0) - (this.#energy[stretch.from] ?? 0)
    if (energy < stretch.length * SILENCE_ENERGY) return 0
    let low = 0
    let high = 0
    for (let row = 0; row < LOW_HZ.length; row += 1) low = Math.max(low, this.#tone(row, stretch))
    for (let column = 0; column < HIGH_HZ.length; column += 1) {
      high = Math.max(high, this.#tone(LOW_HZ.length + column, stretch))
    }
    return Math.min(1, (2 * Math.sqrt(low * high)) / energy)
  }

  #inside(stretch: Stretch): boolean {
    return stretch.from >= 0 && stretch.from + stretch.length <= this.length
  }

  #tone(index: number, stretch: Stretch): number {
    const end = stretch.from + stretch.length
    const real = (this.#real[index]?.[end] ?? 0) - (this.#real[index]?.[stretch.from] ?? 0)
    const imaginary = (this.#imaginary[index]?.[end] ?? 0) - (this.#imaginary[index]?.[stretch.from] ?? 0)
    return (2 * (real * real + imaginary * imaginary)) / stretch.length
  }
}

/** Samples of 8 kHz, from a first one on. */
export type Stretch = { readonly from: number; readonly length: number }

const FREQUENCIES = [...LOW_HZ, ...HIGH_HZ]
const EMPHASIS = 0.9

/** Mean square below one step of a 16-bit sample: nothing is there. */
const SILENCE_ENERGY = 1

function runningSum(samples: Float64Array, factor: (at: number) => number): Float64Array {
  const sums = new Float64Array(samples.length + 1)
  for (const [at, sample] of samples.entries()) sums[at + 1] = (sums[at] ?? 0) + sample * factor(at)
  return sums
}
