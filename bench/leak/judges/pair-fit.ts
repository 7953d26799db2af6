import { COLUMNS_HZ, KEYS, ROWS_HZ } from '../scenario.ts'

/** Sums of samples times cosine and sine of one frequency. */
export type Correlation = { readonly cosine: number; readonly sine: number }

/** Keeps the solution finite where a handful of samples cannot tell two frequencies apart: part of a line's own sum. */
const RIDGE = 1e-4

/**
 * How much of a stretch's energy each key's two frequencies explain together, by least squares with free amplitudes and phases: for a known
 * time and unknown phases no filter does better, and it still tells keys apart in stretches so short that the lines run into
 * each other. The sums that need no samples are worked out in closed form.
 */
export class PairFit {
  readonly #rows: readonly number[]
  readonly #columns: readonly number[]

  constructor(options: { readonly offset: number }) {
    const step = (hz: number) => (2 * Math.PI * hz * (1 + options.offset)) / 8_000
    this.#rows = ROWS_HZ.map(step)
    this.#columns = COLUMNS_HZ.map(step)
  }

  /** Energies explained, for each key; `rows` and `columns` are the correlations over the same stretch. */
  explained(stretch: {
    readonly from: number
    readonly to: number
    readonly rows: readonly Correlation[]
    readonly columns: readonly Correlation[]
  }): Float64Array {
    const out = new Float64Array(KEYS.length)
    const rowOwn = this.#rows.map((row) => trigonometricSum(2 * row, stretch))
    const columnOwn = this.#columns.map((column) => trigonometricSum(2 * column, stretch))
    const count = stretch.to - stretch.from
    for (const [r, row] of this.#rows.entries()) {
      for (const [c, column] of this.#columns.entries()) {
        const sum = trigonometricSum(row + column, stretch)
        const difference = trigonometricSum(column - row, stretch)
        const own1 = rowOwn[r] ?? NOTHING
        const own2 = columnOwn[c] ?? NOTHING
        // Products of cosine and sine of either frequency, summed; the lower triangle, row by row.
        const gram = [
          (count + own1.cosine) / 2,
          own1.sine / 2,
          (count - own1.cosine) / 2,
          (difference.cosine + sum.cosine) / 2,
          (sum.sine - difference.sine) / 2,
          (count + own2.cosine) / 2,
          (sum.sine + difference.sine) / 2,
          (difference.cosine - sum.cosine) / 2,
          own2.sine / 2,
          (count - own2.cosine) / 2,
        ]
        const { cosine: x1, sine: y1 } = stretch.rows[r] ?? NOTHING
        const { cosine: x2, sine: y2 } = stretch.columns[c] ?? NOTHING
        out[r * COLUMNS_HZ.length + c] = quadraticForm(gram, [x1, y1, x2, y2], RIDGE * count)
      }
    }
    return out
  }
}

const NOTHING: Correlation = { cosine: 0, sine: 0 }

/** Sums of cos(a n) and sin(a n) for n from `from` up to, not including, `to`. */
function trigonometricSum(angle: number, stretch: { readonly from: number; readonly to: number }): Correlation {
  const count = stretch.to - stretch.from
  const half = Math.sin(angle / 2)
  const middle = (angle * (stretch.from + stretch.to - 1)) / 2
  const size = Math.abs(half) < 1e-9 ? count : Math.sin((count * angle) / 2) / half
  return { cosine: size * Math.cos(middle), sine: size * Math.sin(middle) }
}

/** b' G^-1 b by Cholesky; G as its lower triangle with `ridge` on the diagonal. */
function quadraticForm(gram: readonly number[], b: readonly number[], ridge: number): number {
  const lower: number[] = []
  const solved: number[] = []
  let form = 0
  for (let row = 0; row < b.length; row += 1) {
    const start = (row * (row + 1)) / 2
    let value = b[row] ?? 0
    for (let column = 0; column <= row; column += 1) {
      const other = (column * (column + 1)) / 2
      let sum = (gram[start + column] ?? 0) + (row === column ? ridge : 0)
      for (let k = 0; k < column; k += 1) sum -= (lower[start + k] ?? 0) * (lower[other + k] ?? 0)
      lower[start + column] = row === column ? Math.sqrt(Math.max(ridge, sum)) : sum / (lower[other + column] ?? 1)
      if (column < row) value -= (lower[start + column] ?? 0) * (solved[column] ?? 0)
    }
    const y = value / (lower[start + row] ?? 1)
    solved.push(y)
    form += y * y
  }
  return form
}
