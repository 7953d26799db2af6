import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'

/** Vectors with their classes. Row r of `values` is the vector of `labels[r]`. */
export type Samples = {
  readonly count: number
  readonly width: number
  readonly values: Float32Array
  readonly labels: Uint8Array
}

export type PerceptronOptions = {
  readonly classes: number
  /** Neurons of the one hidden layer; 0 is multinomial logistic regression. */
  readonly hidden: number
  readonly seed: number
  readonly epochsMax: number
}

const BATCH = 64
const RATE = 0.002
/** Weights shrink by this part of the rate each step (Loshchilov and Hutter 2019): most features are noise. */
const DECAY = 0.02
const BETA_1 = 0.9
const BETA_2 = 0.999
const TINY = 1e-8
/** Epochs without a better validation, after which training ends. */
const PATIENCE = 3

type Layer = {
  readonly inputs: number
  readonly outputs: number
  readonly weights: Float64Array
  readonly biases: Float64Array
}

/**
 * A classifier: softmax over one hidden layer of rectified neurons, or over the inputs as they are. Trained by Adam in small
 * batches, keeping the state that did best on the validation samples.
 */
export class Perceptron {
  #layers: readonly Layer[]
  readonly #options: PerceptronOptions
  /** Part of the validation samples rightly classified by the state kept. */
  validated = 0

  constructor(width: number, options: PerceptronOptions) {
    const random = seededRandom(options.seed)
    this.#options = options
    this.#layers =
      options.hidden === 0
        ? [newLayer(width, options.classes, random)]
        : [newLayer(width, options.hidden, random), newLayer(options.hidden, options.classes, random)]
  }

  train(training: Samples, validation: Samples): void {
    const random = seededRandom(this.#options.seed + 1)
    const order = Uint32Array.from({ length: training.count }, (_, index) => index)
    const steps = this.#layers.map((layer) => newStep(layer))
    let best = this.#layers.map(copyOf)
    let bestLoss = Infinity
    let since = 0
    let step = 0
    for (let epoch = 0; epoch < this.#options.epochsMax && since <= PATIENCE; epoch += 1) {
      shuffle(order, random)
      for (let from = 0; from < order.length; from += BATCH) {
        const batch = order.subarray(from, from + BATCH)
        for (const row of batch) this.#learn(training, row, steps)
        step += 1
        for (const [index, layer] of this.#layers.entries())
          applyAdam(layer, steps[index], { count: batch.length, step })
      }
      const { hits, loss } = this.score(validation)
      if (loss < bestLoss) {
        bestLoss = loss
        best = this.#layers.map(copyOf)
        this.validated = hits / Math.max(1, validation.count)
        since = 0
      } else since += 1
    }
    this.#layers = best
  }

  /** How many are rightly classified, and the mean of the negative logarithms of what the right classes were given. */
  score(samples: Samples): { readonly hits: number; readonly loss: number } {
    let hits = 0
    let loss = 0
    for (let row = 0; row < samples.count; row += 1) {
      const likely = this.#forward(samples, row).at(-1) ?? new Float64Array(0)
      const label = samples.labels[row] ?? 0
      loss -= Math.log((likely[label] ?? 0) + 1e-12)
      if (likely.indexOf(Math.max(...likely)) === label) hits += 1
    }
    return { hits, loss: loss / Math.max(1, samples.count) }
  }

  #forward(samples: Samples, row: number): readonly Float64Array[] {
    let input: Float32Array | Float64Array = samples.values.subarray(row * samples.width, (row + 1) * samples.width)
    return this.#layers.map((layer, index) => {
      const out = outputOf(layer, input)
      if (index === this.#layers.length - 1) softmax(out)
      else for (let neuron = 0; neuron < out.length; neuron += 1) out[neuron] = Math.max(0, out[neuron] ?? 0)
      input = out
      return out
    })
  }

  #learn(samples: Samples, row: number, steps: readonly Step[]): void {
    const outputs = this.#forward(samples, row)
    const inputs = [samples.values.subarray(row * samples.width, (row + 1) * samples.width), ...outputs]
    let error = Float64Array.from(outputs.at(-1) ?? [])
    const label = samples.labels[row] ?? 0
    error[label] = (error[label] ?? 0) - 1
    for (let index = this.#layers.length - 1; index >= 0; index -= 1) {
      const layer = this.#layers[index]
      const input = inputs[index]
      const step = steps[index]
      if (layer === undefined || input === undefined || step === undefined) return
      const below = index === 0 ? undefined : new Float64Array(layer.inputs)
      for (let neuron = 0; neuron < layer.outputs; neuron += 1) {
        const slope = error[neuron] ?? 0
        if (slope === 0) continue
        const start = neuron * layer.inputs
        step.biases[neuron] = (step.biases[neuron] ?? 0) + slope
        for (let from = 0; from < layer.inputs; from += 1) {
          step.weights[start + from] = (step.weights[start + from] ?? 0) + slope * (input[from] ?? 0)
        }
        if (below === undefined) continue
        for (let from = 0; from < layer.inputs; from += 1) {
          if ((input[from] ?? 0) > 0) below[from] = (below[from] ?? 0) + slope * (layer.weights[start + from] ?? 0)
        }
      }
      if (below !== undefined) error = below
    }
  }
}

/** Sums of slopes of one batch, and Adam's two running means. */
type Step = {
  readonly weights: Float64Array
  readonly biases: Float64Array
  readonly means: Float64Array
  readonly squares: Float64Array
}

function newLayer(inputs: number, outputs: number, random: () => number): Layer {
  // He et al. 2015.
  const scale = Math.sqrt(2 / inputs) * Math.sqrt(3)
  const weights = Float64Array.from({ length: inputs * outputs }, () => (random() * 2 - 1) * scale)
  return { inputs, outputs, weights, biases: new Float64Array(outputs) }
}

function newStep(layer: Layer): Step {
  const all = layer.weights.length + layer.outputs
  return {
    weights: new Float64Array(layer.weights.length),
    biases: new Float64Array(layer.outputs),
    means: new Float64Array(all),
    squares: new Float64Array(all),
  }
}

function copyOf(layer: Layer): Layer {
  return { ...layer, weights: layer.weights.slice(), biases: layer.biases.slice() }
}

/** Four sums at once, since one addition must wait for the one before. */
function outputOf(layer: Layer, input: Float32Array | Float64Array): Float64Array {
  const { weights, inputs } = layer
  const out = new Float64Array(layer.outputs)
  const even = inputs - (inputs % 4)
  for (let neuron = 0; neuron < out.length; neuron += 1) {
    const start = neuron * inputs
    let first = layer.biases[neuron] ?? 0
    let second = 0
    let third = 0
    let fourth = 0
    for (let n = 0; n < even; n += 4) {
      first += (input[n] ?? 0) * (weights[start + n] ?? 0)
      second += (input[n + 1] ?? 0) * (weights[start + n + 1] ?? 0)
      third += (input[n + 2] ?? 0) * (weights[start + n + 2] ?? 0)
      fourth += (input[n + 3] ?? 0) * (weights[start + n + 3] ?? 0)
    }
    for (let n = even; n < inputs; n += 1) first += (input[n] ?? 0) * (weights[start + n] ?? 0)
    out[neuron] = first + second + third + fourth
  }
  return out
}

function softmax(values: Float64Array): void {
  const most = Math.max(...values)
  let sum = 0
  for (let index = 0; index < values.length; index += 1) {
    const value = Math.exp((values[index] ?? 0) - most)
    values[index] = value
    sum += value
  }
  for (let index = 0; index < values.length; index += 1) values[index] = (values[index] ?? 0) / sum
}

/** Kingma and Ba 2015, with decoupled decay; the batch's sums start afresh. */
function applyAdam(
  layer: Layer,
  step: Step | undefined,
  batch: { readonly count: number; readonly step: number },
): void {
  if (step === undefined) return
  const fix1 = 1 - BETA_1 ** batch.step
  const fix2 = 1 - BETA_2 ** batch.step
  const { means, squares } = step
  const move = (values: Float64Array, sums: Float64Array, base: number, decay: number): void => {
    for (let index = 0; index < values.length; index += 1) {
      const slope = (sums[index] ?? 0) / batch.count
      const mean = BETA_1 * (means[base + index] ?? 0) + (1 - BETA_1) * slope
      const square = BETA_2 * (squares[base + index] ?? 0) + (1 - BETA_2) * slope * slope
      means[base + index] = mean
      squares[base + index] = square
      const value = values[index] ?? 0
      values[index] = value - RATE * (mean / fix1 / (Math.sqrt(square / fix2) + TINY) + decay * value)
      sums[index] = 0
    }
  }
  move(layer.weights, step.weights, 0, DECAY)
  move(layer.biases, step.biases, layer.weights.length, 0)
}

function shuffle(order: Uint32Array, random: () => number): void {
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1))
    const kept = order[index] ?? 0
    order[index] = order[other] ?? 0
    order[other] = kept
  }
}
