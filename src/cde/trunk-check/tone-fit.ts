import { G711_RATE_HZ } from '../guard/g711.ts'
import type { AudioTape } from './audio-tape.ts'

/** ITU-T Q.23: rows and columns, in Hz. */
const ROWS_HZ = [697, 770, 852, 941] as const
const COLUMNS_HZ = [1209, 1336, 1477, 1633] as const
/** Row and column of each key, as RFC 4733 numbers them: 0 to 9, star, pound, A to D. */
const PLACES = [13, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 14, 3, 7, 11, 15] as const

/** Peak of a sine of 0 dBm0 in 16 bits: the largest sine of u-law is 3.17 dBm0 (ITU-T G.711). */
const PEAK_0_DBM0 = 22_300
const MS_PER_SECOND = 1000

export type Pair = { readonly lowHz: number; readonly highHz: number }
export type Span = { readonly start: number; readonly end: number }

/** Cosine and sine amplitudes of both tones, with phase zero at `origin`, and how much of the energy they explain. */
export type ToneFit = Pair & {
  readonly origin: number
  readonly weights: readonly [number, number, number, number]
  /** Samples that were known. */
  readonly known: number
  readonly energy: number
  readonly explained: number
}

export function pairOf(key: number): Pair {
  const place = PLACES[key] ?? 0
  return { lowHz: ROWS_HZ[place >> 2] ?? 0, highHz: COLUMNS_HZ[place & 3] ?? 0 }
}

export function keyAt(row: number, column: number): number {
  return PLACES.findIndex((place) => place === row * COLUMNS_HZ.length + column)
}

/** Levels of both tones. */
export function levelsOf(fit: ToneFit): { readonly lowDbm0: number; readonly highDbm0: number } {
  const [a, b, c, d] = fit.weights
  return { lowDbm0: dbm0(Math.hypot(a, b)), highDbm0: dbm0(Math.hypot(c, d)) }
}

function dbm0(peak: number): number {
  return 20 * Math.log10(Math.max(peak, 1) / PEAK_0_DBM0)
}

/** Value of the fitted tones at a position. */
export function toneAt(fit: ToneFit, position: number): number {
  const [a, b, c, d] = fit.weights
  const low = turn(fit.lowHz) * (position - fit.origin)
  const high = turn(fit.highHz) * (position - fit.origin)
  return a * Math.cos(low) + b * Math.sin(low) + c * Math.cos(high) + d * Math.sin(high)
}

/**
 * Least squares of two sines on the known samples of a span: exact for any length and with holes, where a filter bank
 * would let one tone leak into the other. null when the span holds too little to say.
 */
export function fitTones(tape: AudioTape, span: Span, pair: Pair): ToneFit | null {
  const normal = new Float64Array(UNKNOWNS * UNKNOWNS)
  const right = new Float64Array(UNKNOWNS)
  const basis = new Float64Array(UNKNOWNS)
  const origin = span.start
  const low = turn(pair.lowHz)
  const high = turn(pair.highHz)
  let known = 0
  let energy = 0
  for (let position = span.start; position < span.end; position += 1) {
    if (!tape.isKnown(position)) continue
    const sample = tape.sample(position)
    const at = position - origin
    basis[0] = Math.cos(low * at)
    basis[1] = Math.sin(low * at)
    basis[2] = Math.cos(high * at)
    basis[3] = Math.sin(high * at)
    for (let row = 0; row < UNKNOWNS; row += 1) {
      const value = basis[row] ?? 0
      right[row] = (right[row] ?? 0) + value * sample
      for (let column = 0; column < UNKNOWNS; column += 1) {
        const slot = row * UNKNOWNS + column
        normal[slot] = (normal[slot] ?? 0) + value * (basis[column] ?? 0)
      }
    }
    known += 1
    energy += sample * sample
  }
  if (known < KNOWN_MIN) return null
  const wanted = Float64Array.from(right)
  if (!solve(normal, right)) return null
  const explained = right.reduce((sum, weight, index) => sum + weight * (wanted[index] ?? 0), 0)
  const [a = 0, b = 0, c = 0, d = 0] = right
  return { ...pair, origin, weights: [a, b, c, d], known, energy, explained }
}

/**
 * Moves both frequencies to where they explain most, starting from those of a fit; the longer the span, the finer. Beyond
 * `OFFSET_MAX` of the nominal pair it is no longer that key.
 */
export function refineFrequencies(tape: AudioTape, span: Span, from: ToneFit, nominal: Pair): ToneFit {
  let best = from
  const seconds = (span.end - span.start) / G711_RATE_HZ
  for (let stepHz = COARSE_TURNS / seconds; stepHz > FINE_TURNS / seconds; stepHz /= 2) {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const before = best
      for (const [lowHz, highHz] of [
        [best.lowHz + stepHz, best.highHz],
        [best.lowHz - stepHz, best.highHz],
        [best.lowHz, best.highHz + stepHz],
        [best.lowHz, best.highHz - stepHz],
      ] as const) {
        if (!isNear(lowHz, nominal.lowHz) || !isNear(highHz, nominal.highHz)) continue
        const fit = fitTones(tape, span, { lowHz, highHz })
        if (fit !== null && fit.explained > best.explained) best = fit
      }
      if (best === before) break
    }
  }
  return best
}

/** Beyond what ITU-T Q.24 lets a receiver take (3.5 %), with a little more to be able to say so. */
const OFFSET_MAX = 0.045
/** Steps in cycles over the span: from a quarter, within the peak of the search, to what no edge can feel. */
const COARSE_TURNS = 0.25
const FINE_TURNS = 0.01
const ROUNDS_MAX = 6
const UNKNOWNS = 4
/** 3 ms: fewer samples than this fit anything. */
const KNOWN_MIN = 3 * (G711_RATE_HZ / MS_PER_SECOND)
const PIVOT_MIN = 1e-6

function isNear(hz: number, nominalHz: number): boolean {
  return Math.abs(hz / nominalHz - 1) <= OFFSET_MAX
}

function turn(hz: number): number {
  return (2 * Math.PI * hz) / G711_RATE_HZ
}

/** Gauss with pivots, in place; the matrix is symmetric and small. False when it cannot be told apart. */
function solve(matrix: Float64Array, right: Float64Array): boolean {
  const at = (row: number, column: number): number => matrix[row * UNKNOWNS + column] ?? 0
  for (let pivot = 0; pivot < UNKNOWNS; pivot += 1) {
    // Symmetric and positive: the diagonal is a good enough pivot.
    const head = at(pivot, pivot)
    if (head < PIVOT_MIN) return false
    for (let row = 0; row < UNKNOWNS; row += 1) {
      if (row === pivot) continue
      const factor = at(row, pivot) / head
      for (let column = pivot; column < UNKNOWNS; column += 1)
        matrix[row * UNKNOWNS + column] = at(row, column) - factor * at(pivot, column)
      right[row] = (right[row] ?? 0) - factor * (right[pivot] ?? 0)
    }
  }
  for (let row = 0; row < UNKNOWNS; row += 1) right[row] = (right[row] ?? 0) / at(row, row)
  return true
}
