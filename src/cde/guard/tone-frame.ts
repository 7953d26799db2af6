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
  /**
   * What the frame is a part of, or null. It starts at index `at`; the 40 samples before it are needed too. Samples that did not arrive
   * are 0, and `weight` is what the window gives those that did (FRAME_WEIGHT when all did).
   */
  pairOf(samples: Int16Array, at: number, weight: number): TonePair | null {
    const energy = fold(samples, at)
    if (energy < FRAME_POWER_MIN * weight) return null
    correlate(ROW_WAVES, ROWS)
    const row = strongest(ROWS)
    const perPower = 2 / (weight * energy)
    if (squared(ROWS, row) * perPower < ROW_SHARE_MIN) return null
    correlate(COLUMN_WAVES, COLUMNS)
    const column = strongest(COLUMNS)
    const raw = (squared(ROWS, row) + squared(COLUMNS, column)) * perPower
    if (raw < SHARE_MIN * RESPONSE_MIN) return null
    fold(samples, at - FRAME_HOP_SAMPLES)
    const rowTone = measure(ROWS_HZ[row] ?? 0, partOf(ROWS, row), correlateOne(ROW_WAVES, row))
    const columnTone = measure(COLUMNS_HZ[column] ?? 0, partOf(COLUMNS, column), correlateOne(COLUMN_WAVES, column))
    if (rowTone.offset > OFFSET_MAX || columnTone.offset > OFFSET_MAX) return null
    const share = (rowTone.power + columnTone.power) * perPower
    if (share < SHARE_MIN) return null
    const twist = columnTone.power / rowTone.power
    if (twist > TWIST_RATIO_MAX || twist < TWIST_RATIO_MIN) return null
    return { key: KEYS[row * COLUMNS_HZ.length + column] ?? 0, share }
  }

  /** Overwrites what is held of the audio. */
  wipe(): void {
    for (const shared of [EVEN, ODD, ROWS, COLUMNS]) shared.fill(0)
  }
}

/** Written and read within one call, and shared by all windows: so they stay in the processor's nearest memory. */
const EVEN = new Float64Array(HALF)
const ODD = new Float64Array(HALF)
/** Real and imaginary part for each of four frequencies. */
const ROWS = new Float64Array(8)
const COLUMNS = new Float64Array(8)

/** Folds one frame about its middle, and returns the energy under the window. */
function fold(samples: Int16Array, at: number): number {
  let energy = 0
  for (let index = 0; index < HALF; index += 1) {
    const after = samples[at + HALF + index] ?? 0
    const before = samples[at + HALF - 1 - index] ?? 0
    energy += (HANN[index] ?? 0) * (after * after + before * before)
    EVEN[index] = after + before
    ODD[index] = after - before
  }
  return energy
}

/** The window's weight of the samples that are marked 1 from `at` on. */
export function weightOf(known: Uint8Array, at: number): number {
  let weight = 0
  for (let index = 0; index < HALF; index += 1)
    weight += (HANN[index] ?? 0) * ((known[at + HALF + index] ?? 0) + (known[at + HALF - 1 - index] ?? 0))
  return weight
}

type Complex = { readonly real: number; readonly imaginary: number }

/** Window times cosine and sine over half a frame, for each of the four frequencies. */
type Waves = { readonly cosines: Float64Array; readonly sines: Float64Array }
const ROW_WAVES = wavesOf(ROWS_HZ)
const COLUMN_WAVES = wavesOf(COLUMNS_HZ)

function wavesOf(frequenciesHz: readonly number[]): Waves {
  const angles = frequenciesHz.flatMap((hz) =>
    Array.from({ length: HALF }, (_, index) => (2 * Math.PI * hz * (index + 0.5)) / G711_RATE_HZ),
  )
  const windowed = (wave: (angle: number) => number) =>
    Float64Array.from(angles, (angle, index) => (HANN[index % HALF] ?? 0) * wave(angle))
  return { cosines: windowed(Math.cos), sines: windowed(Math.sin) }
}

/** What was folded last, against four frequencies: two at a time, since this is where the time goes, and that is quickest. */
function correlate({ cosines, sines }: Waves, sums: Float64Array): void {
  for (let tone = 0; tone < 4; tone += 2) {
    let real0 = 0
    let imaginary0 = 0
    let real1 = 0
    let imaginary1 = 0
    for (let index = 0, wave = tone * HALF; index < HALF; index += 1, wave += 1) {
      const even = EVEN[index] ?? 0
      const odd = ODD[index] ?? 0
      real0 += even * (cosines[wave] ?? 0)
      imaginary0 -= odd * (sines[wave] ?? 0)
      real1 += even * (cosines[wave + HALF] ?? 0)
      imaginary1 -= odd * (sines[wave + HALF] ?? 0)
    }
    sums[2 * tone] = real0
    sums[2 * tone + 1] = imaginary0
    sums[2 * tone + 2] = real1
    sums[2 * tone + 3] = imaginary1
  }
}

/** What was folded last, against one of four frequencies. */
function correlateOne({ cosines, sines }: Waves, tone: number): Complex {
  let real = 0
  let imaginary = 0
  for (let index = 0, wave = tone * HALF; index < HALF; index += 1, wave += 1) {
    real += (EVEN[index] ?? 0) * (cosines[wave] ?? 0)
    imaginary -= (ODD[index] ?? 0) * (sines[wave] ?? 0)
  }
  return { real, imaginary }
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
