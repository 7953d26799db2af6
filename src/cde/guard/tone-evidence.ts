/**
 * How much a stretch of audio looks like a key of a telephone, from the spectrum around the eight frequencies of ITU-T
 * Q.23. Pure arithmetic on spectra; the tone gate decides what to do with it.
 */

/** ITU-T Q.23. */
const LOW_HZ = [697, 770, 852, 941] as const
const HIGH_HZ = [1209, 1336, 1477, 1633] as const

/** Q.24 wants 1.8 % accepted; lines at these three cover 3.5 % either way, as halves of 20 ms see 25 Hz beside each. */
const OFFSETS = [-0.025, 0, 0.025] as const

/** Lines in each of the two bands. */
export const BAND_LINES = LOW_HZ.length * OFFSETS.length

/** Whole numbers, low band first, three for each frequency of Q.23. */
export const LINES_HZ: readonly number[] = [...linesOf(LOW_HZ), ...linesOf(HIGH_HZ)]

/** The frequency of Q.23 that each line stands beside. */
const NOMINAL_HZ = [...LOW_HZ, ...HIGH_HZ].flatMap((frequency) => OFFSETS.map(() => frequency))

/** The part of its band that each line stands for: half way to its neighbours. */
export const SPACINGS_HZ = Float64Array.from(LINES_HZ, (_, line) => {
  const start = line < BAND_LINES ? 0 : BAND_LINES
  const below = LINES_HZ[Math.max(line - 1, start)] ?? 0
  const above = LINES_HZ[Math.min(line + 1, start + BAND_LINES - 1)] ?? 0
  return line === start || line === start + BAND_LINES - 1 ? above - below : (above - below) / 2
})

/** A line may be found this much further off than half its spacing. */
const LINE_SLACK_HZ = 6

/** Nothing at all. */
export const NO_EVIDENCE = -99

/** Nobody asks for evidence as low as this. */
export const EVIDENCE_MIN = 0

/**
 * Weights of a logistic regression: windows of prompts (the two languages that look most like keys) against windows within keys of
 * 5 to 200 ms, -12 to 12 dB of twist, up to 3.5 % off and -15 to 8 dB of speech over them. Prompts that score low count little, so
 * that the weights tell keys from what is nearest to them. Natural logarithms; zero would be even odds in that sample.
 */
type Weights = {
  readonly bias: number
  /** Each of the two lines' part of the energy in its band, logarithms added. */
  readonly purity: number
  /** Both lines' part of all energy. */
  readonly share: number
  /** High line over low line: speech falls with frequency, keys do not. */
  readonly twist: number
  readonly twistSquared: number
  /** Percent that the worse of the two lines is beside its frequency of Q.23. */
  readonly offset: number
  /** Percent by which the two are off differently: a bad clock moves both alike. */
  readonly discord: number
  /** How much the lines' levels change from the first half to the second. */
  readonly unsteadiness: number
}

const WEIGHTS: { readonly [Blocks in 2 | 4 | 8]: Weights } = {
  2: {
    bias: -5.91,
    purity: 4.59,
    share: 1.82,
    twist: -0.04,
    twistSquared: -0.18,
    offset: -0.13,
    discord: -0.12,
    unsteadiness: -0.56,
  },
  4: {
    bias: 4.69,
    purity: 0.95,
    share: 2,
    twist: 0.13,
    twistSquared: -0.12,
    offset: -0.13,
    discord: -0.31,
    unsteadiness: -0.42,
  },
  8: {
    bias: 6.47,
    purity: 1.12,
    share: 2.38,
    twist: 0.66,
    twistSquared: 0,
    offset: -0.18,
    discord: -0.68,
    unsteadiness: -1.18,
  },
}

/** The two halves of a window. Spectra are pairs of real and imaginary part, with the phase of one clock. */
export type Halves = {
  readonly blocks: 2 | 4 | 8
  readonly spectra: Float32Array
  /** Index of the first number of each half's spectrum. */
  readonly first: number
  readonly second: number
  /** Energy of the whole window, and of its two bands, the latter times Hz. */
  readonly energy: number
  readonly lowBand: number
  readonly highBand: number
  /** Numbers of the strongest line in each band, over the whole window. */
  readonly low: number
  readonly high: number
}

const BLOCK_SAMPLES = 40

/**
 * Log odds that the window holds a key. Below EVIDENCE_MIN, where nobody asks any more, it may be any number that is
 * also below.
 */
export function keyEvidence(window: Halves): number {
  const samples = window.blocks * BLOCK_SAMPLES
  const weights = WEIGHTS[window.blocks]
  measureHalves(window, window.low, lowLine)
  measureHalves(window, window.high, highLine)
  const bound = oddsOf(window, weights)
  if (bound + TWIST_GAIN_MAX < EVIDENCE_MIN) return NO_EVIDENCE
  measureLine(window, window.low, lowLine)
  measureLine(window, window.high, highLine)
  const twist = Math.log(((2 * highLine.power) / samples + 1) / ((2 * lowLine.power) / samples + 1))
  return (
    oddsOf(window, weights) +
    weights.twist * twist +
    weights.twistSquared * twist * twist +
    weights.offset * Math.max(Math.abs(lowLine.offset), Math.abs(highLine.offset)) +
    weights.discord * Math.abs(lowLine.offset - highLine.offset) +
    weights.unsteadiness * Math.min(UNSTEADINESS_MAX, unsteadinessOf(lowLine) + unsteadinessOf(highLine))
  )
}

/** The part of the evidence that purity and share give: nothing but twist can add to it, and that not much. */
function oddsOf(window: Halves, weights: Weights): number {
  const samples = window.blocks * BLOCK_SAMPLES
  const low = (2 * lowLine.power) / samples
  const high = (2 * highLine.power) / samples
  const share = (low + high) / window.energy
  // Of no energy there is no share.
  if (!(share >= SHARE_MIN)) return NO_EVIDENCE
  // The bands' energy was measured in the halves, each over half the samples, with lines twice as wide.
  const width = 4 / (samples * (8000 / (samples / 2)))
  const missing = MISSING_PARTS[window.blocks]
  const lowPurity = purityOf(low, window.lowBand * width, missing[window.low] ?? 0)
  const highPurity = purityOf(high, window.highBand * width, missing[window.high] ?? 0)
  return (
    weights.bias +
    weights.purity * Math.log((lowPurity + FLOOR) * (highPurity + FLOOR)) +
    weights.share * Math.log(Math.min(share, SHARE_MAX) + FLOOR)
  )
}

function purityOf(line: number, band: number, missing: number): number {
  return line / Math.max(line / PURITY_MAX, band + missing * line + 1e-6)
}

/** Bounds of the regression's inputs, as they were when the weights were fitted. */
const SHARE_MIN = 0.01
const SHARE_MAX = 1.2
const PURITY_MAX = 3
const UNSTEADINESS_MAX = 3
const FLOOR = 0.02

/** The most that the two twist terms together add, at 13 dB. */
const TWIST_GAIN_MAX = 2

type Line = { first: number; second: number; power: number; offset: number }

/** Written and read within one call, so that no window makes garbage. */
const lowLine: Line = { first: 0, second: 0, power: 0, offset: 0 }
const highLine: Line = { first: 0, second: 0, power: 0, offset: 0 }

/** A line's level in both halves, and the power it has if the halves add up whole. */
function measureHalves(window: Halves, line: number, into: Line): void {
  const a = window.first + line * 2
  const b = window.second + line * 2
  const aRe = window.spectra[a] ?? 0
  const aIm = window.spectra[a + 1] ?? 0
  const bRe = window.spectra[b] ?? 0
  const bIm = window.spectra[b + 1] ?? 0
  into.first = Math.sqrt(aRe * aRe + aIm * aIm)
  into.second = Math.sqrt(bRe * bRe + bIm * bIm)
  into.power = (into.first + into.second) ** 2
}

/** Where a line really lies follows from how its phase moves from one half to the other (one turn for 1 / half, in Hz). */
function measureLine(window: Halves, line: number, into: Line): void {
  const a = window.first + line * 2
  const b = window.second + line * 2
  const aRe = window.spectra[a] ?? 0
  const aIm = window.spectra[a + 1] ?? 0
  const bRe = window.spectra[b] ?? 0
  const bIm = window.spectra[b + 1] ?? 0
  const halfSeconds = (window.blocks * BLOCK_SAMPLES) / 2 / 8000
  const drift = Math.atan2(bIm * aRe - bRe * aIm, bRe * aRe + bIm * aIm) / (2 * Math.PI * halfSeconds)
  const near = Math.abs(drift) < (SPACINGS_HZ[line] ?? 0) / 2 + LINE_SLACK_HZ
  // A line that is not where its phase says has only what the halves give together.
  if (!near) into.power = (aRe + bRe) ** 2 + (aIm + bIm) ** 2
  into.offset = (((LINES_HZ[line] ?? 0) + (near ? drift : 0)) / (NOMINAL_HZ[line] ?? 1) - 1) * 100
}

function unsteadinessOf(line: Line): number {
  return Math.abs(Math.log((line.second + 1) / (line.first + 1)))
}

/** Tones that are this far beside a line: a line at an end stands for all that is beyond it, up to 3.5 % off. */
const BESIDE = [-0.01, -0.0075, -0.005, -0.0025, 0, 0.0025, 0.005, 0.0075, 0.01] as const

/**
 * What a steady line spreads over its band is lost where the band ends, so a line at an end would look purer than one in the middle,
 * keys with it be found sooner, and the stretch that is masked tell which key it was. For each line, the part of its power that must be
 * added to what was measured of its band for all lines to look alike; negative in the middle, so that on average nothing is added.
 */
const MISSING_PARTS: { readonly [Blocks in 2 | 4 | 8]: Float64Array } = {
  2: missingParts(2),
  4: missingParts(4),
  8: missingParts(8),
}

function missingParts(blocks: 2 | 4 | 8): Float64Array {
  const half = (blocks * BLOCK_SAMPLES) / 2
  const spread = LINES_HZ.map((_, line) => spreadOf(line, half))
  // The fourth column is on no telephone.
  const low = geometricMean(spread.slice(0, BAND_LINES))
  const high = geometricMean(spread.slice(BAND_LINES, BAND_LINES + (HIGH_HZ.length - 1) * OFFSETS.length))
  return Float64Array.from(spread, (part, line) => (line < BAND_LINES ? low : high) - part)
}

/** Energy that the band shows of a steady tone at this line, against the line's own. */
function spreadOf(line: number, samples: number): number {
  const start = line < BAND_LINES ? 0 : BAND_LINES
  const isFirst = line === start
  const isLast = line === start + BAND_LINES - 1
  const beside = BESIDE.filter((part) => (isFirst ? part <= 0 : isLast ? part >= 0 : true))
  return geometricMean(
    beside.map((part) => {
      const hz = (LINES_HZ[line] ?? 0) * (1 + part)
      let band = 0
      for (let other = start; other < start + BAND_LINES; other += 1)
        band += heardAt(hz - (LINES_HZ[other] ?? 0), samples) * (SPACINGS_HZ[other] ?? 0)
      return (band * samples) / 8000 / heardAt(hz - (LINES_HZ[line] ?? 0), samples)
    }),
  )
}

/** Power of a tone in a line that is so many Hz off, against that in a line of its own. */
function heardAt(hz: number, samples: number): number {
  const angle = (Math.PI * hz) / 8000
  return Math.abs(angle) < 1e-9 ? 1 : (Math.sin(samples * angle) / Math.sin(angle) / samples) ** 2
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

function linesOf(band: readonly number[]): number[] {
  return band.flatMap((frequency) => OFFSETS.map((offset) => Math.round(frequency * (1 + offset))))
}
