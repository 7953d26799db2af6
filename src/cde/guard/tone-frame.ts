import { G711_RATE_HZ } from './g711.ts'

/** 20 ms: two tones of a row, 73 Hz apart, can just be told apart, and a tone of 40 ms fills several frames. */
export const FRAME_SAMPLES = 160

/** 5 ms from one frame to the next: what the exact frequencies are measured over, and how finely a key is timed. */
export const FRAME_HOP_SAMPLES = 40

/** ITU-T Q.23: four rows and four columns, in Hz. */
const ROWS_HZ = [697, 770, 852, 941] as const
const COLUMNS_HZ = [1209, 1336, 1477, 1633] as const

/** Keys by row and column, numbered as RFC 4733 numbers its events. */
const KEYS = [1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15] as const

/** Between Q.24's "must take" 1.5 % and "must not" 3.5 %. */
const OFFSET_MAX = 0.024

/** Q.24 annex A: Australia takes 10 dB either way, all others less; and 1.5 dB for what noise and the line add. */
const TWIST_RATIO_MAX = 10 ** (11.5 / 10)
const TWIST_RATIO_MIN = 1 / TWIST_RATIO_MAX

/** Share of the frame's energy that the two tones must have: speech that strays onto two of them has more beside them. */
const SHARE_MIN = 0.72

/** A sine of 0 dBm0 has the peak 22,300 in 16 bits; two tones of -40 dBm0 have this mean square. */
export const FRAME_POWER_MIN = (22_300 * 10 ** (-40 / 20)) ** 2

const HALF = FRAME_SAMPLES / 2
/** Cosine and sine of four frequencies. */
const STRIDE = 8
const HANN = Float64Array.from(
  { length: HALF },
  (_, index) => 0.5 + 0.5 * Math.cos((2 * Math.PI * (index + 0.5)) / FRAME_SAMPLES),
)
/** All weights of a frame of which every sample is known. */
export const FRAME_WEIGHT = 2 * HANN.reduce((sum, weight) => sum + weight, 0)

/** How far through its window a tone comes that is as far off as one may be, as power. */
const RESPONSE_MIN = hannResponse((OFFSET_MAX * (COLUMNS_HZ.at(-1) ?? 0) * FRAME_SAMPLES) / G711_RATE_HZ) ** 2
/** Less than this part of the energy in the strongest row, and there is no pair, whatever the columns hold. */
const ROW_SHARE_MIN = (SHARE_MIN / (1 + TWIST_RATIO_MAX)) * RESPONSE_MIN

/** `share`: how much of the frame's energy is in the key's two tones. */
export type TonePair = { readonly key: number; readonly share: number }

/**
 * Finds the pair of tones in one frame of linear samples.
 *
 * Each frequency is correlated with the frame under a Hann window, folded about its middle: with the even part for the
 * cosine, the odd part for the sine. Most frames of a call end before all eight are done.
 */
export class ToneFrame {
  readonly #even = new Float64Array(HALF)
  readonly #odd = new Float64Array(HALF)
  readonly #rows = new Float64Array(8)
  readonly #columns = new Float64Array(8)

  /**
   * What the frame is a part of, or null. It starts at index `at`; the 40 samples before it are needed too. Samples that did not arrive
   * are 0, and `weight` is what the window gives those that did (FRAME_WEIGHT when all did).
   */
  pairOf(samples: Int16Array, at: number, weight: number): TonePair | null {
    const energy = this.#fold(samples, at)
    if (energy < FRAME_POWER_MIN * weight) return null
    correlate(this.#even, this.#odd, ROW_WAVES, this.#rows)
    const row = strongest(this.#rows)
    const perPower = 2 / (weight * energy)
    if (squared(this.#rows, row) * perPower < ROW_SHARE_MIN) return null
    correlate(this.#even, this.#odd, COLUMN_WAVES, this.#columns)
    const column = strongest(this.#columns)
    const raw = (squared(this.#rows, row) + squared(this.#columns, column)) * perPower
    if (raw < SHARE_MIN * RESPONSE_MIN) return null
    this.#fold(samples, at - FRAME_HOP_SAMPLES)
    const rowTone = measure(ROWS_HZ[row] ?? 0, partOf(this.#rows, row), this.#correlateOne(ROW_WAVES, row))
    const columnTone = measure(
      COLUMNS_HZ[column] ?? 0,
      partOf(this.#columns, column),
      this.#correlateOne(COLUMN_WAVES, column),
    )
    if (rowTone.offset > OFFSET_MAX || columnTone.offset > OFFSET_MAX) return null
    const share = (rowTone.power + columnTone.power) * perPower
    if (share < SHARE_MIN) return null
    const twist = columnTone.power / rowTone.power
    if (twist > TWIST_RATIO_MAX || twist < TWIST_RATIO_MIN) return null
    return { key: KEYS[row * COLUMNS_HZ.length + column] ?? 0, share }
  }

  /** Overwrites what is held of the audio. */
  wipe(): void {
    for (const held of [this.#even, this.#odd, this.#rows, this.#columns]) held.fill(0)
  }

  /** One of four frequencies, from what was folded last. */
  #correlateOne(waves: Float64Array, tone: number): Complex {
    let [real, imaginary] = [0, 0]
    for (let index = 0, wave = 2 * tone; index < HALF; index += 1, wave += STRIDE) {
      real += (this.#even[index] ?? 0) * (waves[wave] ?? 0)
      imaginary -= (this.#odd[index] ?? 0) * (waves[wave + 1] ?? 0)
    }
    return { real, imaginary }
  }

  /** Returns the energy under the window. */
  #fold(samples: Int16Array, at: number): number {
    const [even, odd] = [this.#even, this.#odd]
    let energy = 0
    for (let index = 0; index < HALF; index += 1) {
      const after = samples[at + HALF + index] ?? 0
      const before = samples[at + HALF - 1 - index] ?? 0
      energy += (HANN[index] ?? 0) * (after * after + before * before)
      even[index] = after + before
      odd[index] = after - before
    }
    return energy
  }
}

/** The window's weight of the samples that are marked 1 from `at` on. */
export function weightOf(known: Uint8Array, at: number): number {
  let weight = 0
  for (let index = 0; index < HALF; index += 1)
    weight += (HANN[index] ?? 0) * ((known[at + HALF + index] ?? 0) + (known[at + HALF - 1 - index] ?? 0))
  return weight
}

type Complex = { readonly real: number; readonly imaginary: number }

/** For each place in half a frame, window times cosine and sine of each of the four frequencies. */
const ROW_WAVES = wavesOf(ROWS_HZ)
const COLUMN_WAVES = wavesOf(COLUMNS_HZ)

function wavesOf(frequenciesHz: readonly number[]): Float64Array {
  const waves = new Float64Array(HALF * STRIDE)
  for (let index = 0; index < HALF; index += 1)
    frequenciesHz.forEach((hz, tone) => {
      const angle = (2 * Math.PI * hz * (index + 0.5)) / G711_RATE_HZ
      waves[index * STRIDE + 2 * tone] = (HANN[index] ?? 0) * Math.cos(angle)
      waves[index * STRIDE + 2 * tone + 1] = (HANN[index] ?? 0) * Math.sin(angle)
    })
  return waves
}

/** Real and imaginary part for each of four frequencies; written out, since this is where the time goes. */
function correlate(even: Float64Array, odd: Float64Array, waves: Float64Array, sums: Float64Array): void {
  let [real0, real1, real2, real3] = [0, 0, 0, 0]
  let [imaginary0, imaginary1, imaginary2, imaginary3] = [0, 0, 0, 0]
  for (let index = 0, wave = 0; index < HALF; index += 1, wave += STRIDE) {
    const sum = even[index] ?? 0
    const difference = odd[index] ?? 0
    real0 += sum * (waves[wave] ?? 0)
    imaginary0 -= difference * (waves[wave + 1] ?? 0)
    real1 += sum * (waves[wave + 2] ?? 0)
    imaginary1 -= difference * (waves[wave + 3] ?? 0)
    real2 += sum * (waves[wave + 4] ?? 0)
    imaginary2 -= difference * (waves[wave + 5] ?? 0)
    real3 += sum * (waves[wave + 6] ?? 0)
    imaginary3 -= difference * (waves[wave + 7] ?? 0)
  }
  sums[0] = real0
  sums[1] = imaginary0
  sums[2] = real1
  sums[3] = imaginary1
  sums[4] = real2
  sums[5] = imaginary2
  sums[6] = real3
  sums[7] = imaginary3
}

function partOf(sums: Float64Array, tone: number): Complex {
  return { real: sums[2 * tone] ?? 0, imaginary: sums[2 * tone + 1] ?? 0 }
}

function strongest(sums: Float64Array): number {
  let best = 0
  for (let tone = 1; tone < 4; tone += 1) if (squared(sums, tone) > squared(sums, best)) best = tone
  return best
}

function squared(sums: Float64Array, tone: number): number {
  return (sums[2 * tone] ?? 0) ** 2 + (sums[2 * tone + 1] ?? 0) ** 2
}

/** Of one tone, by its phase against the frame before: power as the window would show it on the spot, and relative distance from `hz`. */
function measure(hz: number, now: Complex, before: Complex): { readonly power: number; readonly offset: number } {
  const advance = Math.atan2(
    now.imaginary * before.real - now.real * before.imaginary,
    now.real * before.real + now.imaginary * before.imaginary,
  )
  // What it advanced, less what the nominal frequency advances.
  const off = advance - (2 * Math.PI * hz * FRAME_HOP_SAMPLES) / G711_RATE_HZ
  const offsetHz =
    (Math.abs(off - 2 * Math.PI * Math.round(off / (2 * Math.PI))) * G711_RATE_HZ) / (2 * Math.PI * FRAME_HOP_SAMPLES)
  const response = hannResponse((offsetHz * FRAME_SAMPLES) / G711_RATE_HZ)
  return { power: (now.real ** 2 + now.imaginary ** 2) / (response * response), offset: offsetHz / hz }
}

/** How much of a tone the Hann window lets through at a distance of so many bins. */
function hannResponse(bins: number): number {
  if (bins < 1e-6 || bins > 0.9) return 1
  return Math.sin(Math.PI * bins) / (Math.PI * bins * (1 - bins * bins))
}
