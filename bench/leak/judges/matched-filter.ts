import { COLUMNS_HZ, KEYS, ROWS_HZ } from '../scenario.ts'
import { verdictOf, type Verdict } from './judge.ts'
import { FITTED, LINE, LINE_COUNT, PARTS, type Part, type Sight } from './sight.ts'

/** How keys are weighed: each line's power, the same against what lies beside it or together with its second harmonic, or both lines fitted together. */
const WEIGHINGS = ['power', 'aside', 'harmonic'] as const
type Way = { readonly part: Part; readonly weighing: (typeof WEIGHINGS)[number] | 'fit' }
const WAYS: readonly Way[] = [
  ...PARTS.flatMap((part) => WEIGHINGS.map((weighing) => ({ part, weighing }))),
  ...FITTED.map((part) => ({ part, weighing: 'fit' as const })),
]

/**
 * A matched filter that knows when each key was pressed and how far its frequencies are off: it names the row and the column
 * that stand out most. Which part of the key to look at, and how to weigh, it learns from the keys of one half of the calls,
 * and is judged on the other half; then the other way round.
 */
export class MatchedFilterJudge {
  /** Hits of each way in each half. */
  readonly #hits = [new Array<number>(WAYS.length).fill(0), new Array<number>(WAYS.length).fill(0)] as const
  readonly #keys: [number, number] = [0, 0]

  see(sight: Sight, half: 0 | 1): void {
    this.#keys[half] += 1
    for (const [index, way] of WAYS.entries()) {
      if (nameKey(sight, way) === sight.key) this.#hits[half][index] = (this.#hits[half][index] ?? 0) + 1
    }
  }

  verdict(): Verdict {
    const best = this.#hits.map((hits) => hits.indexOf(Math.max(...hits)))
    const [first = 0, second = 0] = best
    const hits = (this.#hits[1][first] ?? 0) + (this.#hits[0][second] ?? 0)
    const way = WAYS[this.#keys[0] >= this.#keys[1] ? first : second]
    return verdictOf(
      hits,
      this.#keys[0] + this.#keys[1],
      way === undefined ? undefined : `${way.part}, ${way.weighing}`,
    )
  }
}

function nameKey(sight: Sight, way: Way): number {
  if (way.weighing === 'fit') {
    const from = FITTED.findIndex((part) => part === way.part) * KEYS.length
    const fits = sight.fits.subarray(from, from + KEYS.length)
    return fits.indexOf(Math.max(...fits))
  }
  const base = PARTS.indexOf(way.part) * LINE_COUNT
  const row = strongest(sight, {
    base,
    way,
    count: ROWS_HZ.length,
    line: LINE.row,
    aside: LINE.rowAside,
    double: LINE.rowDouble,
  })
  const column = strongest(sight, {
    base,
    way,
    count: COLUMNS_HZ.length,
    line: LINE.column,
    aside: LINE.columnAside,
    double: LINE.columnDouble,
  })
  return COLUMNS_HZ.length * row + column
}

function strongest(
  sight: Sight,
  band: {
    readonly base: number
    readonly way: Way
    readonly count: number
    readonly line: number
    readonly aside: number
    readonly double: number
  },
): number {
  let best = 0
  let most = -1
  for (let index = 0; index < band.count; index += 1) {
    const at = (line: number): number => (sight.power[band.base + line] ?? 0) + 1e-6
    const power = at(band.line + index)
    let weight = power
    if (band.way.weighing === 'aside') weight /= at(band.aside + 2 * index) + at(band.aside + 2 * index + 1)
    if (band.way.weighing === 'harmonic') weight *= at(band.double + index)
    if (weight > most) {
      most = weight
      best = index
    }
  }
  return best
}
