import { G711_RATE_HZ } from './g711.ts'

/** 20 ms: two tones of a row, 73 Hz apart, can just be told apart, and a tone of 40 ms fills several frames. */
export const FRAME_SAMPLES = 160

/** ITU-T Q.23: four rows and four columns, in Hz. */
const TONES_HZ = [697, 770, 852, 941, 1209, 1336, 1477, 1633] as const
const ROWS = 4
const COLUMNS = 4

/** Keys by row and column, numbered as RFC 4733 numbers its events. */
const KEYS = [1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15] as const

/** Between Q.24's "must take" 1.5 % and "must not" 3.5 %. */
const OFFSET_MAX = 0.024

/** Q.24: column up to 4 dB above and 8 dB below the row, and 2 dB for what noise and the line add. */
const TWIST_RATIO_MAX = 10 ** (6 / 10)
const TWIST_RATIO_MIN = 10 ** (-10 / 10)

/** Share of the frame's energy that the two tones must have: speech that strays onto two of them has more beside them. */
const SHARE_MIN = 0.72

/** A sine of 0 dBm0 has the peak 22,300 in 16 bits; this is a tone of -40 dBm0. */
const AMPLITUDE_MIN = 22_300 * 10 ** (-40 / 20)

/** Below this share of known samples a frame says nothing, neither tone nor pause. */
const KNOWN_MIN = 0.5

/** What one frame says. The sums are kept for the next one, whose phase against this one gives the exact frequency. */
export type ToneFrame = {
  readonly key: number | null
  readonly isKnown: boolean
  /** Real and imaginary part for each of the eight frequencies. */
  readonly sums: Float64Array
}

export function silentFrame(): ToneFrame {
  return { key: null, isKnown: true, sums: new Float64Array(2 * TONES_HZ.length) }
}

/**
 * Finds the pair of tones in one frame of linear samples; `known` is 1 where the sample arrived. `before` is the frame that started 5 ms earlier.
 *
 * Each frequency is correlated with the frame under a Hann window (a Goertzel filter in direct form, with the window laid over
 * the known samples only), so that lost samples and a tone that fills only part of the frame are weighed rightly.
 */
export function analyseTone(samples: Int16Array, known: Uint8Array, before: ToneFrame): ToneFrame {
  let weight = 0
  let energy = 0
  for (let index = 0; index < FRAME_SAMPLES; index += 1) {
    const share = (WINDOW[index] ?? 0) * (known[index] ?? 0)
    const sample = samples[index] ?? 0
    weight += share
    energy += share * sample * sample
  }
  const isKnown = weight >= KNOWN_MIN * WINDOW_SUM
  const sums = new Float64Array(2 * TONES_HZ.length)
  // Two tones at the least level have this much energy; most frames of a call end here.
  if (energy < AMPLITUDE_MIN * AMPLITUDE_MIN * weight || !isKnown) return { key: null, isKnown, sums }
  correlate(samples, sums)
  const row = strongest(sums, 0, ROWS)
  const column = strongest(sums, ROWS, COLUMNS)
  const rowTone = measure({ tone: row, sums, before: before.sums, weight })
  const columnTone = measure({ tone: column, sums, before: before.sums, weight })
  const share = ((rowTone.power + columnTone.power) * weight) / energy
  const twist = columnTone.power / rowTone.power
  const isPair =
    rowTone.offset <= OFFSET_MAX &&
    columnTone.offset <= OFFSET_MAX &&
    share >= SHARE_MIN &&
    twist <= TWIST_RATIO_MAX &&
    twist >= TWIST_RATIO_MIN
  return { key: isPair ? (KEYS[row * COLUMNS + column - ROWS] ?? null) : null, isKnown, sums }
}

/** 5 ms between frames. */
const HOP_SAMPLES = 40

const WINDOW = Float64Array.from(
  { length: FRAME_SAMPLES },
  (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (index + 0.5)) / FRAME_SAMPLES),
)
const WINDOW_SUM = WINDOW.reduce((sum, share) => sum + share, 0)

/** Window times cosine and sine of each frequency. */
const COSINES = TONES_HZ.map((hz) => waveOf(hz, Math.cos))
const SINES = TONES_HZ.map((hz) => waveOf(hz, Math.sin))

function waveOf(hz: number, wave: (angle: number) => number): Float64Array {
  return WINDOW.map((share, index) => share * wave((2 * Math.PI * hz * index) / G711_RATE_HZ))
}

function correlate(samples: Int16Array, sums: Float64Array): void {
  for (let tone = 0; tone < TONES_HZ.length; tone += 1) {
    const cosine = COSINES[tone] ?? WINDOW
    const sine = SINES[tone] ?? WINDOW
    let real = 0
    let imaginary = 0
    for (let index = 0; index < FRAME_SAMPLES; index += 1) {
      const sample = samples[index] ?? 0
      real += sample * (cosine[index] ?? 0)
      imaginary -= sample * (sine[index] ?? 0)
    }
    sums[2 * tone] = real
    sums[2 * tone + 1] = imaginary
  }
}

function strongest(sums: Float64Array, first: number, count: number): number {
  let best = first
  for (let tone = first + 1; tone < first + count; tone += 1) if (squared(sums, tone) > squared(sums, best)) best = tone
  return best
}

function squared(sums: Float64Array, tone: number): number {
  return (sums[2 * tone] ?? 0) ** 2 + (sums[2 * tone + 1] ?? 0) ** 2
}

/** Mean square of one tone and its relative distance from the nominal frequency. */
function measure(options: {
  readonly tone: number
  readonly sums: Float64Array
  readonly before: Float64Array
  readonly weight: number
}): { readonly power: number; readonly offset: number } {
  const { tone, sums, before, weight } = options
  const hz = TONES_HZ[tone] ?? 0
  const [re, im] = [sums[2 * tone] ?? 0, sums[2 * tone + 1] ?? 0]
  const [reBefore, imBefore] = [before[2 * tone] ?? 0, before[2 * tone + 1] ?? 0]
  // The phase that the tone advanced since the frame before, less what the nominal frequency advances.
  const advance = Math.atan2(im * reBefore - re * imBefore, re * reBefore + im * imBefore)
  const nominal = (2 * Math.PI * hz * HOP_SAMPLES) / G711_RATE_HZ
  const off = advance - nominal
  const offsetHz = ((off - 2 * Math.PI * Math.round(off / (2 * Math.PI))) * G711_RATE_HZ) / (2 * Math.PI * HOP_SAMPLES)
  const response = hannResponse((Math.abs(offsetHz) * FRAME_SAMPLES) / G711_RATE_HZ)
  return { power: (2 * squared(sums, tone)) / (weight * weight * response * response), offset: Math.abs(offsetHz) / hz }
}

/** How much of a tone the Hann window lets through at a distance of so many bins. */
function hannResponse(bins: number): number {
  if (bins < 1e-6 || bins > 0.9) return 1
  return Math.sin(Math.PI * bins) / (Math.PI * bins * (1 - bins * bins))
}
