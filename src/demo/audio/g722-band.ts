/**
 * One band of G.722: an ADPCM coder whose decoder half runs inside the encoder too (ITU-T G.722 section 3).
 * Integer arithmetic as in the recommendation, since both ends must adapt alike to the bit.
 */
export class G722Band {
  readonly #tables: BandTables
  /** Logarithmic scale factor NB and step size DET. */
  #scale = 0
  #step: number
  /** Reconstructed signal r, partial signal p, two poles a, six zeros b, seven differences d. */
  readonly #r = [0, 0, 0]
  readonly #p = [0, 0, 0]
  readonly #a = [0, 0, 0]
  readonly #b = [0, 0, 0, 0, 0, 0, 0]
  readonly #d = [0, 0, 0, 0, 0, 0, 0]
  #poles = 0
  #zeros = 0
  #prediction = 0

  constructor(band: 'lower' | 'upper') {
    this.#tables = band === 'lower' ? LOWER : UPPER
    this.#step = this.#tables.firstStep
  }

  /** A 15-bit sample of this band's 8 kHz signal to its code: six bits in the lower band, two in the upper. */
  encode(sample: number): number {
    const difference = clip(sample - this.#prediction)
    const size = difference >= 0 ? difference : -(difference + 1)
    const { levels, positive, negative } = this.#tables
    let interval = 1
    while (interval < levels.length && size >= ((levels[interval] ?? 0) * this.#step) >> 12) interval += 1
    const code = (difference < 0 ? negative[interval] : positive[interval]) ?? 0
    this.#adapt(code)
    return code
  }

  /** A code to a 15-bit sample. */
  decode(code: number): number {
    const { outputs } = this.#tables
    const sample = this.#prediction + ((this.#step * (outputs[code] ?? 0)) >> 15)
    this.#adapt(code)
    return Math.max(-16_384, Math.min(16_383, sample))
  }

  #adapt(code: number): void {
    const { coarseShift, coarse, weights, weightOf, scaleMax, stepShift } = this.#tables
    const short = code >> coarseShift
    const difference = (this.#step * (coarse[short] ?? 0)) >> 15
    const grown = ((this.#scale * 127) >> 7) + (weights[weightOf[short] ?? 0] ?? 0)
    this.#scale = Math.max(0, Math.min(scaleMax, grown))
    const fraction = INVERSE_LOG[(this.#scale >> 6) & 31] ?? 0
    const shift = stepShift - (this.#scale >> 11)
    this.#step = (shift < 0 ? fraction << -shift : fraction >> shift) << 2
    this.#predict(difference)
  }

  /** Block 4: reconstruct, then adapt the two-pole and six-zero predictors by signs. */
  #predict(difference: number): void {
    const r = this.#r
    const p = this.#p
    const a = this.#a
    const b = this.#b
    const d = this.#d
    d[0] = difference
    r[0] = clip(this.#prediction + difference)
    p[0] = clip(this.#zeros + difference)
    const p0 = p[0]
    const p1 = p[1] ?? 0
    const p2 = p[2] ?? 0

    const a1 = clip((a[1] ?? 0) * 4)
    let toward = sameSign(p0, p1) ? -a1 : a1
    if (toward > 32_767) toward = 32_767
    let pole2 = (toward >> 7) + (sameSign(p0, p2) ? 128 : -128) + (((a[2] ?? 0) * 32_512) >> 15)
    pole2 = Math.max(-12_288, Math.min(12_288, pole2))
    let pole1 = (sameSign(p0, p1) ? 192 : -192) + (((a[1] ?? 0) * 32_640) >> 15)
    const bound = clip(15_360 - pole2)
    pole1 = Math.max(-bound, Math.min(bound, clip(pole1)))

    for (let zero = 6; zero >= 1; zero -= 1) {
      const gain = difference === 0 ? 0 : sameSign(difference, d[zero] ?? 0) ? 128 : -128
      b[zero] = clip(gain + (((b[zero] ?? 0) * 32_640) >> 15))
    }
    for (let at = 6; at >= 1; at -= 1) d[at] = d[at - 1] ?? 0
    r[2] = r[1] ?? 0
    r[1] = r[0]
    p[2] = p1
    p[1] = p0
    a[2] = pole2
    a[1] = pole1

    const first = (pole1 * clip(2 * r[1])) >> 15
    const second = (pole2 * clip(2 * r[2])) >> 15
    this.#poles = clip(first + second)
    let zeros = 0
    for (let zero = 6; zero >= 1; zero -= 1) zeros += ((b[zero] ?? 0) * clip(2 * (d[zero] ?? 0))) >> 15
    this.#zeros = clip(zeros)
    this.#prediction = clip(this.#poles + this.#zeros)
  }
}

type BandTables = {
  /** Decision levels (index 0 unused) and the codes of each interval, by sign. */
  readonly levels: readonly number[]
  readonly positive: readonly number[]
  readonly negative: readonly number[]
  /** Output levels of the full code, and of the shortened code that drives the adaptation. */
  readonly outputs: readonly number[]
  readonly coarseShift: number
  readonly coarse: readonly number[]
  readonly weights: readonly number[]
  readonly weightOf: readonly number[]
  readonly scaleMax: number
  readonly stepShift: number
  readonly firstStep: number
}

/** G.722 tables 14 to 21. */
const LEVELS_6 = [
  0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
  1458, 1612, 1765, 1980, 2195, 2557, 2919,
]
const OUTPUTS_4 = [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0]
const OUTPUTS_6 = [
  -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
  -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808,
  21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008,
  3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
]
const OUTPUTS_2 = [-7408, -1616, 7408, 1616]
const INVERSE_LOG = [
  2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
  3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
]

const LOWER: BandTables = {
  levels: LEVELS_6,
  positive: [0, ...Array.from({ length: 30 }, (_, at) => 61 - at)],
  negative: [0, 63, 62, ...Array.from({ length: 28 }, (_, at) => 31 - at)],
  outputs: OUTPUTS_6,
  coarseShift: 2,
  coarse: OUTPUTS_4,
  weights: [-60, -30, 58, 172, 334, 538, 1198, 3042],
  weightOf: [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0],
  scaleMax: 18_432,
  stepShift: 8,
  firstStep: 32,
}

const UPPER: BandTables = {
  levels: [0, 564],
  positive: [0, 3, 2],
  negative: [0, 1, 0],
  outputs: OUTPUTS_2,
  coarseShift: 0,
  coarse: OUTPUTS_2,
  weights: [0, -214, 798],
  weightOf: [2, 1, 2, 1],
  scaleMax: 22_528,
  stepShift: 10,
  firstStep: 8,
}

function clip(value: number): number {
  return Math.max(-32_768, Math.min(32_767, value))
}

function sameSign(first: number, second: number): boolean {
  return first < 0 === second < 0
}
