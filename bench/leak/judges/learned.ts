import { KEYS } from '../scenario.ts'
import { verdictOf, type Verdict } from './judge.ts'
import { CANDIDATE_WIDTH, candidateVectors, WHOLE_WIDTH, wholeVector } from './key-vector.ts'
import { Perceptron, scoreOf, type Samples } from './perceptron.ts'
import type { Sight } from './sight.ts'

/** Four attackers; which is strongest depends on what leaks and on how many keys there are to learn from. */
const MODELS = [
  { name: 'logistic regression', isByCandidate: false, hidden: 0 },
  { name: 'perceptron', isByCandidate: false, hidden: 24 },
  { name: 'logistic regression by candidate', isByCandidate: true, hidden: 0 },
  { name: 'perceptron by candidate', isByCandidate: true, hidden: 12 },
] as const

const EPOCHS_MAX = 14
/** Of the training half, this part says which model to keep and when to stop. */
const VALIDATION_PART = 0.15
/** Values further out than this many deviations are cut: one click must not outweigh all else. */
const DEVIATIONS_MAX = 5

type Half = { readonly labels: number[]; readonly whole: Float32Array[]; readonly candidates: Float32Array[] }

/**
 * An attacker that was shown masked audio with the keys that made it. Keys of the even calls train models that name those of the
 * odd calls, and the other way round: no key is named by a model that has seen it, nor anything of its call. Which of
 * four models names them, or all together, a part of the training half says.
 */
export class LearnedJudge {
  readonly #seed: number
  readonly #halves: readonly [Half, Half] = [emptyHalf(), emptyHalf()]

  constructor(options: { readonly seed: number }) {
    this.#seed = options.seed
  }

  see(sight: Sight, half: 0 | 1): void {
    const into = this.#halves[half]
    into.labels.push(sight.key)
    into.whole.push(wholeVector(sight))
    into.candidates.push(candidateVectors(sight))
  }

  verdict(): Verdict {
    const [first, second] = this.#halves
    const forth = this.#judge(first, second)
    const back = this.#judge(second, first)
    return verdictOf(forth.hits + back.hits, first.labels.length + second.labels.length, forth.way)
  }

  #judge(training: Half, judged: Half): { readonly hits: number; readonly way: string } {
    const kept = Math.round(training.labels.length * (1 - VALIDATION_PART))
    const ways = MODELS.map(({ name, isByCandidate, hidden }): Way => {
      const rows = (half: Half) => (isByCandidate ? half.candidates : half.whole)
      const width = isByCandidate ? CANDIDATE_WIDTH : WHOLE_WIDTH
      const scale = scaleOf(rows(training), width)
      const all = samplesOf(rows(training), training.labels, scale)
      const validation = part(all, kept, all.count)
      const options = { width, classes: KEYS.length, isByCandidate, hidden, seed: this.#seed, epochsMax: EPOCHS_MAX }
      const model = new Perceptron(options)
      model.train(part(all, 0, kept), validation)
      const test = samplesOf(rows(judged), judged.labels, scale)
      return { name, validation: model.logarithms(validation), test: model.logarithms(test) }
    })
    const labels = Uint8Array.from(training.labels.slice(kept))
    let best = { loss: Infinity, hits: 0, way: '' }
    for (const way of [...ways, together(ways)]) {
      const { loss } = scoreOf(way.validation, labels)
      if (loss >= best.loss) continue
      best = { loss, hits: scoreOf(way.test, Uint8Array.from(judged.labels)).hits, way: way.name }
    }
    return best
  }
}

/** What one way of naming gives each key, on the validation samples and on those to be judged. */
type Way = { readonly name: string; readonly validation: Float32Array; readonly test: Float32Array }

/** The mean of all: models err in different places. */
function together(ways: readonly Way[]): Way {
  const mean = (of: 'validation' | 'test'): Float32Array => {
    const sum = new Float32Array(ways[0]?.[of].length ?? 0)
    for (const way of ways)
      for (let index = 0; index < sum.length; index += 1)
        sum[index] = (sum[index] ?? 0) + (way[of][index] ?? 0) / ways.length
    return sum
  }
  return { name: 'all together', validation: mean('validation'), test: mean('test') }
}

function emptyHalf(): Half {
  return { labels: [], whole: [], candidates: [] }
}

type Scale = { readonly means: Float64Array; readonly deviations: Float64Array }

/** Of each place of a vector, over all vectors of all rows. */
function scaleOf(rows: readonly Float32Array[], width: number): Scale {
  const means = new Float64Array(width)
  const squares = new Float64Array(width)
  let count = 0
  for (const row of rows) {
    for (let from = 0; from < row.length; from += width) {
      count += 1
      for (let index = 0; index < width; index += 1) {
        const value = row[from + index] ?? 0
        means[index] = (means[index] ?? 0) + value
        squares[index] = (squares[index] ?? 0) + value * value
      }
    }
  }
  for (let index = 0; index < width; index += 1) {
    const mean = (means[index] ?? 0) / Math.max(1, count)
    means[index] = mean
    // What never changes says nothing, and must not be blown up.
    squares[index] = Math.max(1e-3, Math.sqrt(Math.max(0, (squares[index] ?? 0) / Math.max(1, count) - mean * mean)))
  }
  return { means, deviations: squares }
}

function samplesOf(rows: readonly Float32Array[], labels: readonly number[], scale: Scale): Samples {
  const width = rows[0]?.length ?? 0
  const period = scale.means.length
  const values = new Float32Array(rows.length * width)
  for (const [at, row] of rows.entries()) {
    for (let index = 0; index < width; index += 1) {
      const place = index % period
      const value = ((row[index] ?? 0) - (scale.means[place] ?? 0)) / (scale.deviations[place] ?? 1)
      values[at * width + index] = Math.max(-DEVIATIONS_MAX, Math.min(DEVIATIONS_MAX, value))
    }
  }
  return { count: rows.length, width, values, labels: Uint8Array.from(labels) }
}

function part(samples: Samples, from: number, to: number): Samples {
  return {
    count: to - from,
    width: samples.width,
    values: samples.values.subarray(from * samples.width, to * samples.width),
    labels: samples.labels.subarray(from, to),
  }
}
