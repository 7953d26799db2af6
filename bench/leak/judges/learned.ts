import { KEYS } from '../scenario.ts'
import { verdictOf, type Verdict } from './judge.ts'
import { Perceptron, type Samples } from './perceptron.ts'
import { LINE_COUNT, PARTS, SURROUNDINGS, type Sight } from './sight.ts'

/** One vector a key: the logarithm of each line's power in each part, and what surrounds the key. */
export const WIDTH = PARTS.length * LINE_COUNT + SURROUNDINGS

const HIDDEN = 48
const EPOCHS_MAX = 14
/** Of the training half, this part says which model to keep and when to stop. */
const VALIDATION_PART = 0.15
/** Values further out than this many deviations are cut: one click must not outweigh all else. */
const DEVIATIONS_MAX = 5

/**
 * An attacker that was shown masked audio with the keys that made it. Keys of the even calls train a model that names those of the
 * odd calls, and the other way round: no key is named by a model that has seen it, nor anything of its call. Of two models, one
 * with a hidden layer and one without, a part of the training half chooses.
 */
export class LearnedJudge {
  readonly #seed: number
  readonly #vectors: [number[], number[]] = [[], []]
  readonly #rows: [Float32Array[], Float32Array[]] = [[], []]

  constructor(options: { readonly seed: number }) {
    this.#seed = options.seed
  }

  see(sight: Sight, half: 0 | 1): void {
    const row = new Float32Array(WIDTH)
    for (let index = 0; index < sight.power.length; index += 1) row[index] = Math.log10((sight.power[index] ?? 0) + 1)
    row.set(sight.surroundings, sight.power.length)
    this.#rows[half].push(row)
    this.#vectors[half].push(sight.key)
  }

  verdict(): Verdict {
    const [forth, back] = [this.#judge(0, 1), this.#judge(1, 0)]
    return verdictOf(forth.hits + back.hits, this.#vectors[0].length + this.#vectors[1].length, forth.model)
  }

  #judge(training: 0 | 1, test: 0 | 1): { readonly hits: number; readonly model: string } {
    const scale = scaleOf(this.#rows[training])
    const all = samplesOf(this.#rows[training], this.#vectors[training], scale)
    const kept = Math.round(all.count * (1 - VALIDATION_PART))
    const learning = part(all, 0, kept)
    const validation = part(all, kept, all.count)
    let best: { readonly model: Perceptron; readonly name: string } | undefined
    for (const [name, hidden] of [
      ['logistic regression', 0],
      ['perceptron', HIDDEN],
    ] as const) {
      const options = { classes: KEYS.length, hidden, seed: this.#seed + training, epochsMax: EPOCHS_MAX }
      const model = new Perceptron(WIDTH, options)
      model.train(learning, validation)
      if (best === undefined || model.validated > best.model.validated) best = { model, name }
    }
    const judged = samplesOf(this.#rows[test], this.#vectors[test], scale)
    return { hits: best?.model.score(judged).hits ?? 0, model: best?.name ?? '' }
  }
}

type Scale = { readonly means: Float64Array; readonly deviations: Float64Array }

function scaleOf(rows: readonly Float32Array[]): Scale {
  const means = new Float64Array(WIDTH)
  const deviations = new Float64Array(WIDTH)
  for (const row of rows)
    for (let index = 0; index < WIDTH; index += 1) means[index] = (means[index] ?? 0) + (row[index] ?? 0) / rows.length
  for (const row of rows) {
    for (let index = 0; index < WIDTH; index += 1) {
      deviations[index] = (deviations[index] ?? 0) + ((row[index] ?? 0) - (means[index] ?? 0)) ** 2 / rows.length
    }
  }
  // What never changes says nothing, and must not be blown up.
  return { means, deviations: deviations.map((value) => Math.max(1e-3, Math.sqrt(value))) }
}

function samplesOf(rows: readonly Float32Array[], labels: readonly number[], scale: Scale): Samples {
  const values = new Float32Array(rows.length * WIDTH)
  for (const [at, row] of rows.entries()) {
    for (let index = 0; index < WIDTH; index += 1) {
      const value = ((row[index] ?? 0) - (scale.means[index] ?? 0)) / (scale.deviations[index] ?? 1)
      values[at * WIDTH + index] = Math.max(-DEVIATIONS_MAX, Math.min(DEVIATIONS_MAX, value))
    }
  }
  return { count: rows.length, width: WIDTH, values, labels: Uint8Array.from(labels) }
}

function part(samples: Samples, from: number, to: number): Samples {
  return {
    count: to - from,
    width: samples.width,
    values: samples.values.subarray(from * samples.width, to * samples.width),
    labels: samples.labels.subarray(from, to),
  }
}
