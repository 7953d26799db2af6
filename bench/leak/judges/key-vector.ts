import { COLUMNS_HZ, KEYS, ROWS_HZ } from '../scenario.ts'
import { FITTED, LINE, LINE_COUNT, PARTS, SURROUNDINGS, type Part, type Sight } from './sight.ts'

const WHOLE_PARTS = ['before', 'early', 'last', 'whole', 'after'] as const satisfies readonly Part[]

/**
 * A sight as vectors for a classifier. `whole` shows everything at once, so that whatever tells keys apart can be learned;
 * `candidates` shows for each of the twelve keys how its own two lines stand out, so that little is to be learned and faint tones are
 * found among many samples.
 */
export const WHOLE_WIDTH = WHOLE_PARTS.length * LINE_COUNT + SURROUNDINGS

/** Power, power against what lies beside, and second harmonic, of row and column; two figures a fit; what surrounds. */
const FIGURES_A_BAND = 3
const CONTEXT = 4
export const CANDIDATE_WIDTH = PARTS.length * 2 * FIGURES_A_BAND + FITTED.length * 2 + CONTEXT

export function wholeVector(sight: Sight): Float32Array {
  const vector = new Float32Array(WHOLE_WIDTH)
  for (const [index, part] of WHOLE_PARTS.entries()) {
    const from = PARTS.indexOf(part) * LINE_COUNT
    vector.set(sight.power.subarray(from, from + LINE_COUNT).map(logarithm), index * LINE_COUNT)
  }
  vector.set(sight.surroundings, WHOLE_PARTS.length * LINE_COUNT)
  return vector
}

/** The vectors of all keys, one after another. */
export function candidateVectors(sight: Sight): Float32Array {
  const out = new Float32Array(KEYS.length * CANDIDATE_WIDTH)
  const rows = PARTS.map((_part, part) =>
    bandFigures(sight, part, ROWS_HZ.length, [LINE.row, LINE.rowAside, LINE.rowDouble]),
  )
  const columns = PARTS.map((_part, part) =>
    bandFigures(sight, part, COLUMNS_HZ.length, [LINE.column, LINE.columnAside, LINE.columnDouble]),
  )
  const fits = sight.fits.map(logarithm)
  const context = contextOf(sight)
  for (let key = 0; key < KEYS.length; key += 1) {
    let at = key * CANDIDATE_WIDTH
    const put = (value: number | undefined): void => {
      out[at] = value ?? 0
      at += 1
    }
    for (let part = 0; part < PARTS.length; part += 1) {
      for (const value of rows[part]?.[Math.floor(key / COLUMNS_HZ.length)] ?? []) put(value)
      for (const value of columns[part]?.[key % COLUMNS_HZ.length] ?? []) put(value)
    }
    for (let part = 0; part < FITTED.length; part += 1) {
      const all = fits.subarray(part * KEYS.length, (part + 1) * KEYS.length)
      const own = all[key] ?? 0
      let others = -Infinity
      for (let other = 0; other < KEYS.length; other += 1) if (other !== key) others = Math.max(others, all[other] ?? 0)
      put(own - meanOf(all))
      put(own - others)
    }
    for (const value of context) put(value)
  }
  return out
}

/** For each line of a band: how far it stands above the others of the band, in three ways, as logarithms. */
function bandFigures(
  sight: Sight,
  part: number,
  count: number,
  [line, aside, double]: readonly [number, number, number],
): readonly (readonly number[])[] {
  const base = part * LINE_COUNT
  const at = (index: number): number => sight.power[base + index] ?? 0
  const powers = Array.from({ length: count }, (_, index) => logarithm(at(line + index)))
  const beside = powers.map(
    (power, index) => power - logarithm((at(aside + 2 * index) + at(aside + 2 * index + 1)) / 2),
  )
  const doubles = Array.from({ length: count }, (_, index) => logarithm(at(double + index)))
  const [power, besides, harmonic] = [powers, beside, doubles].map(meanOf)
  return powers.map((value, index) => [
    value - (power ?? 0),
    (beside[index] ?? 0) - (besides ?? 0),
    (doubles[index] ?? 0) - (harmonic ?? 0),
  ])
}

/** How loud it is and how much was replaced, around the beginning and around the end: the same for every key. */
function contextOf(sight: Sight): readonly number[] {
  const steps = (sight.surroundings.length - 4) / 2
  const mean = (from: number, count: number): number => meanOf(sight.surroundings.subarray(from, from + count))
  return [mean(12, 8), mean(20, 8), mean(steps + 12, 8), mean(steps + 20, 8)]
}

function logarithm(power: number): number {
  return Math.log10(power + 1)
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0
  for (let index = 0; index < values.length; index += 1) sum += values[index] ?? 0
  return sum / Math.max(1, values.length)
}
