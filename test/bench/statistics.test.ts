import t from 'tap'
import { median, quantile, ratioOfRounds } from '../../bench/harness/statistics.ts'
import { seededRandom } from '../../src/demo/audio/seeded-random.ts'

t.test('quantiles and medians are those of the ordered values', (t) => {
  t.equal(quantile([3, 1, 2, 4], 0.5), 2)
  t.equal(quantile([3, 1, 2, 4], 1), 4)
  t.equal(median([3, 1, 2, 4]), 2.5)
  t.equal(median([5]), 5)
  t.ok(Number.isNaN(median([])))
  t.end()
})

t.test('a ratio compares within a round, so a machine that slows down does not show', (t) => {
  const slowing = Array.from({ length: 20 }, (_unused, round) => 1 + round)
  const estimate = ratioOfRounds(
    slowing.map((value) => value * 1.1),
    slowing,
    { seed: 1 },
  )
  t.ok(Math.abs(estimate.ratio - 1.1) < 1e-9)
  t.ok(estimate.low95 <= estimate.ratio && estimate.ratio <= estimate.high95)
  t.equal(estimate.rounds, 20)
  t.end()
})

t.test('the interval is wide where rounds disagree, and holds the truth', (t) => {
  const random = seededRandom(3)
  const baseline = Array.from({ length: 40 }, () => 1)
  const noisy = baseline.map(() => 0.8 + 0.4 * random())
  const estimate = ratioOfRounds(noisy, baseline, { seed: 2 })
  t.ok(estimate.low95 < 1 && estimate.high95 > 1 && estimate.high95 - estimate.low95 > 0.01)
  t.end()
})

t.test('the generator repeats itself for one seed and not for another', (t) => {
  const three = (seed: number) => {
    const random = seededRandom(seed)
    return [random(), random(), random()]
  }
  t.same(three(7), three(7))
  t.notSame(three(7), three(8))
  t.end()
})
