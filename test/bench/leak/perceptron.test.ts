import t from 'tap'
import { PairFit } from '../../../bench/leak/judges/pair-fit.ts'
import { Perceptron, scoreOf, type Samples } from '../../../bench/leak/judges/perceptron.ts'
import { Upsampler } from '../../../bench/leak/judges/upsampler.ts'
import { Histogram } from '../../../bench/leak/histogram.ts'
import { COLUMNS_HZ, ROWS_HZ } from '../../../bench/leak/scenario.ts'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'

/** Two numbers; the class says whether they have the same sign, or nothing about them. */
function signs(count: number, seed: number, isTold: boolean): Samples {
  const random = seededRandom(seed)
  const values = Float32Array.from({ length: count * 2 }, () => random() * 2 - 1)
  const labels = Uint8Array.from({ length: count }, (_, row) =>
    isTold ? Number((values[2 * row] ?? 0) * (values[2 * row + 1] ?? 0) > 0) : Math.floor(random() * 2),
  )
  return { count, width: 2, values, labels }
}

const OPTIONS = { width: 2, classes: 2, isByCandidate: false, seed: 1, epochsMax: 60 } as const

function learned(hidden: number, isTold: boolean): number {
  const model = new Perceptron({ ...OPTIONS, hidden })
  model.train(signs(2_000, 1, isTold), signs(400, 2, isTold))
  const test = signs(1_000, 3, isTold)
  return scoreOf(model.logarithms(test), test.labels).hits / 1_000
}

t.test('a hidden layer learns what no line divides; without one it cannot; from chance nothing is learned', (t) => {
  t.ok(learned(16, true) > 0.9)
  t.ok(learned(0, true) < 0.6)
  t.ok(Math.abs(learned(16, false) - 0.5) < 0.06)
  t.end()
})

t.test('one network scores each candidate by its own vector', (t) => {
  const candidates = (seed: number): Samples => {
    const random = seededRandom(seed)
    const labels = Uint8Array.from({ length: 1_000 }, () => Math.floor(random() * 3))
    const values = Float32Array.from({ length: 1_000 * 3 * 2 }, () => random())
    for (const [row, label] of labels.entries()) values[(row * 3 + label) * 2] = 0.8 + random()
    return { count: 1_000, width: 6, values, labels }
  }
  const model = new Perceptron({ ...OPTIONS, classes: 3, isByCandidate: true, hidden: 4 })
  model.train(candidates(1), candidates(2))
  const test = candidates(3)
  t.ok(scoreOf(model.logarithms(test), test.labels).hits > 800)
  t.end()
})

t.test('a pair of lines fitted together explains its own samples best, be they a dozen', (t) => {
  const fit = new PairFit({ offset: 0 })
  for (const [r, row] of ROWS_HZ.entries()) {
    for (const [c, column] of COLUMNS_HZ.entries()) {
      const [from, to] = [100, 112]
      const sample = (n: number) =>
        1_000 * Math.sin((2 * Math.PI * row * n) / 8_000 + 1) + 700 * Math.sin((2 * Math.PI * column * n) / 8_000 + 2)
      const correlate = (hz: number) => {
        let [cosine, sine] = [0, 0]
        for (let n = from; n < to; n += 1) {
          cosine += sample(n) * Math.cos((2 * Math.PI * hz * n) / 8_000)
          sine += sample(n) * Math.sin((2 * Math.PI * hz * n) / 8_000)
        }
        return { cosine, sine }
      }
      const explained = fit.explained({ from, to, rows: ROWS_HZ.map(correlate), columns: COLUMNS_HZ.map(correlate) })
      t.equal(explained.indexOf(Math.max(...explained)), r * COLUMNS_HZ.length + c)
    }
  }
  t.end()
})

t.test('a sine keeps its shape at 22,050 Hz', (t) => {
  const samples = Int16Array.from({ length: 800 }, (_, n) =>
    Math.round(8_000 * Math.sin((2 * Math.PI * 941 * n) / 8_000)),
  )
  const out = new Upsampler().to22050(samples)
  t.equal(out.length, 2_205)
  const worst = out.subarray(100, 2_100).reduce((most, value, index) => {
    const wanted = 8_000 * Math.sin((2 * Math.PI * 941 * (index + 100)) / 22_050)
    return Math.max(most, Math.abs(value - wanted))
  }, 0)
  t.ok(worst < 200, `off by ${worst}`)
  t.end()
})

t.test('a histogram knows its quantiles to a step', (t) => {
  const histogram = new Histogram({ stepMs: 0.5, maxMs: 100 })
  for (let value = 1; value <= 100; value += 1) histogram.add(value)
  t.equal(histogram.quantile(0.99), 99)
  t.equal(histogram.quantile(0.5), 50)
  t.equal(new Histogram({ stepMs: 1, maxMs: 10 }).quantile(0.99), 0)
  t.end()
})
