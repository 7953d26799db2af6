import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'

/** Vectors with their classes. Row r of `values` is the vector of `labels[r]`, or the vectors of its candidates one after another. */
export type Samples = {
  readonly count: number
  readonly width: number
  readonly values: Float32Array
  readonly labels: Uint8Array
}

export type PerceptronOptions = {
  /** Length of one vector. */
  readonly width: number
  readonly classes: number
  /** True: each class has a vector of its own, and one network gives each a score (conditional logit, McFadden 1974). */
  readonly isByCandidate: boolean
  /** Neurons of the one hidden layer; 0 is logistic regression. */
  readonly hidden: number
  readonly seed: number
  readonly epochsMax: number
}

const BATCH = 64
/** With twice the rate and one epoch's patience, clicks of 2 ms in speech were named at 9.3 % that are named at 10.4 % so. */
const RATE = 0.001
/** Weights shrink by this part of the rate each step (Loshchilov and Hutter 2019): most features are noise. */
const DECAY = 1
const BETA_1 = 0.9
const BETA_2 = 0.999
const TINY = 1e-8
/** Epochs without a better validation, after which training ends. */
const PATIENCE = 2

type Layer = {
  readonly inputs: number
  readonly outputs: number
  readonly weights: Float64Array
  readonly biases: Float64Array
}

/**
 * A classifier: softmax over scores from one hidden layer of rectified neurons, or from the inputs as they are. Trained by Adam in
 * small batches, keeping the state that did best on the validation samples.
 */
export class Perceptron {
  #layers: readonly Layer[]
  readonly #options: PerceptronOptions
  readonly #vectors: number
  readonly #scores: Float64Array
  /** Outputs of each layer, for each vector of a sample. */
  readonly #outputs: readonly (readonly Float64Array[])[]
  /** Mean loss over the validation samples of the state kept; a network that has learned nothing spreads evenly. */
  #loss: number

  constructor(options: PerceptronOptions) {
    const random = seededRandom(options.seed)
    this.#options = options
    this.#loss = Math.log(options.classes)
    this.#vectors = options.isByCandidate ? options.classes : 1
    const last = options.classes / this.#vectors
    this.#layers =
      options.hidden === 0
        ? [newLayer(options.width, last, () => 0.5)]
        : [newLayer(options.width, options.hidden, random), newLayer(options.hidden, last, () => 0.5)]
    this.#scores = new Float64Array(options.classes)
    this.#outputs = Array.from({ length: this.#vectors }, () =>
      this.#layers.map((layer) => new Float64Array(layer.outputs)),
    )
  }

  train(training: Samples, validation: Samples): void {
    const random = seededRandom(this.#options.seed + 1)
    const order = Uint32Array.from({ length: training.count }, (_, index) => index)
    const steps = this.#layers.map((layer) => newStep(layer))
    let best = this.#layers.map(copyOf)
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
      const { loss } = scoreOf(this.logarithms(validation), validation.labels)
      if (loss < this.#loss) {
        this.#loss = loss
        best = this.#layers.map(copyOf)
        since = 0
      } else since += 1
    }
    this.#layers = best
  }

  /** For each sample the natural logarithms of what each class is given. */
  logarithms(samples: Samples): Float32Array {
    const { classes } = this.#options
    const out = new Float32Array(samples.count * classes)
    for (let row = 0; row < samples.count; row += 1) {
      this.#forward(samples, row)
      for (let index = 0; index < classes; index += 1)
        out[row * classes + index] = Math.log((this.#scores[index] ?? 0) + 1e-12)
    }
    return out
  }

  #vector(samples: Samples, row: number, vector: number): Float32Array {
    const from = (row * this.#vectors + vector) * this.#options.width
    return samples.values.subarray(from, from + this.#options.width)
  }

  #forward(samples: Samples, row: number): void {
    for (const [vector, outputs] of this.#outputs.entries()) {
      let input: Float32Array | Float64Array = this.#vector(samples, row, vector)
      for (const [index, layer] of this.#layers.entries()) {
        const out = outputs[index] ?? this.#scores
        writeOutput(layer, input, out)
        if (index < this.#layers.length - 1) rectify(out)
        input = out
      }
      this.#scores.set(input, vector * input.length)
    }
    softmax(this.#scores)
  }

  #learn(samples: Samples, row: number, steps: readonly Step[]): void {
    this.#forward(samples, row)
    const label = samples.labels[row] ?? 0
    this.#scores[label] = (this.#scores[label] ?? 0) - 1
    for (const [vector, outputs] of this.#outputs.entries()) {
      const width = outputs.at(-1)?.length ?? 0
      let error = this.#scores.subarray(vector * width, (vector + 1) * width)
      for (let index = this.#layers.length - 1; index >= 0; index -= 1) {
        const input = index === 0 ? this.#vector(samples, row, vector) : outputs[index - 1]
        const [layer, step] = [this.#layers[index], steps[index]]
        if (layer !== undefined && input !== undefined && step !== undefined)
          error = addSlopes(layer, { input, error, step }, index > 0)
      }
    }
  }
}

/** How many are rightly classified by their likeliest class, and the mean loss: minus the logarithm that the right class was given. */
export function scoreOf(
  logarithms: Float32Array,
  labels: Uint8Array,
): { readonly hits: number; readonly loss: number } {
  const classes = logarithms.length / Math.max(1, labels.length)
  let hits = 0
  let loss = 0
  for (const [row, label] of labels.entries()) {
    let most = 0
    for (let index = 1; index < classes; index += 1) {
      if ((logarithms[row * classes + index] ?? 0) > (logarithms[row * classes + most] ?? 0)) most = index
    }
    loss -= logarithms[row * classes + label] ?? 0
    if (most === label) hits += 1
  }
  return { hits, loss: loss / Math.max(1, labels.length) }
}

/** Adds one vector's slopes to the batch's sums, and gives the error of the layer below. */
function addSlopes(
  layer: Layer,
  seen: { readonly input: Float32Array | Float64Array; readonly error: Float64Array; readonly step: Step },
  isAboveOther: boolean,
): Float64Array<ArrayBuffer> {
  const { input, error, step } = seen
  const below = new Float64Array(isAboveOther ? layer.inputs : 0)
  for (let neuron = 0; neuron < layer.outputs; neuron += 1) {
    const slope = error[neuron] ?? 0
    if (slope === 0) continue
    const start = neuron * layer.inputs
    step.biases[neuron] = (step.biases[neuron] ?? 0) + slope
    for (let from = 0; from < layer.inputs; from += 1) {
      step.weights[start + from] = (step.weights[start + from] ?? 0) + slope * (input[from] ?? 0)
    }
    for (let from = 0; from < below.length; from += 1) {
      if ((input[from] ?? 0) > 0) below[from] = (below[from] ?? 0) + slope * (layer.weights[start + from] ?? 0)
    }
  }
  return below
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
function writeOutput(layer: Layer, input: Float32Array | Float64Array, out: Float64Array): void {
  const { weights, inputs } = layer
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
}

function rectify(values: Float64Array): void {
  for (let index = 0; index < values.length; index += 1) values[index] = Math.max(0, values[index] ?? 0)
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
