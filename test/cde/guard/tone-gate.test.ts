import t from 'tap'
import { GATE_BLOCK_SAMPLES, ToneGate } from '../../../src/cde/guard/tone-gate.ts'
import { KEYS, keySeries, NOMINAL, type KeySeries } from '../../fakes/dtmf-signal.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

/** Noise of -54 dBm0, with one key in it that starts at block 40 and lasts the given samples. */
function keyInNoise(key: number, series: Partial<KeySeries>): Int16Array {
  const random = seededRandom(key)
  const { signal } = keySeries({ ...NOMINAL, tone: [480, 480], gap: [800, 800], ...series, keys: [key] }, random)
  const samples = Int16Array.from({ length: 4000 }, () => random.gaussian() * 30)
  for (let index = 800; index < signal.length; index += 1) {
    samples[index + 800] = (samples[index + 800] ?? 0) + Math.round(signal[index] ?? 0)
  }
  return samples
}

function verdicts(
  samples: Int16Array,
  order: readonly number[] = [...blocksOf(samples).keys()],
  gate = new ToneGate(),
) {
  for (const block of order) gate.analyse(block, samples, block * GATE_BLOCK_SAMPLES)
  return blocksOf(samples).map((_, block) => gate.verdict(block))
}

function blocksOf(samples: Int16Array): readonly undefined[] {
  return Array.from({ length: samples.length / GATE_BLOCK_SAMPLES }, () => undefined)
}

t.test('every block of every key is a tone, and nothing from 35 ms on before and after it', (t) => {
  for (let key = 0; key < KEYS; key += 1) {
    for (const series of [{}, { offset: 0.03 }, { offset: -0.03 }, { twistDb: 12 }, { twistDb: -12 }]) {
      const found = verdicts(keyInNoise(key, series))
      t.notOk(found.slice(40, 52).some((verdict) => verdict !== 'tone'))
      t.notOk(found.slice(5, 33).includes('tone'))
      t.notOk(found.slice(59, 95).includes('tone'))
    }
  }
  t.end()
})

t.test('a quiet key, 19 dB above the noise of its line, is a tone as well', (t) => {
  for (let key = 0; key < KEYS; key += 1) {
    const found = verdicts(keyInNoise(key, { levelDbm0: -35 }))
    t.notOk(found.slice(40, 52).some((verdict) => verdict !== 'tone'))
  }
  t.end()
})

t.test('a burst shorter than any window is caught', (t) => {
  for (const samples of [12, 24, 40]) {
    t.equal(verdicts(keyInNoise(3, { tone: [samples, samples] }))[40], 'tone')
  }
  t.end()
})

t.test('a single sine of either band, as of a ringing phone, is masked too: it holds all energy', (t) => {
  const sine = Int16Array.from({ length: 4000 }, (_, n) => 3000 * Math.sin((2 * Math.PI * 852 * n) / 8000))
  t.equal(verdicts(sine)[50], 'tone')
  t.end()
})

t.test('what is clipped is suspected, for clipping carries a key to where no filter takes it away', (t) => {
  const random = seededRandom(78)
  const loud = (rms: number) =>
    Int16Array.from({ length: 4000 }, () => Math.max(-32_124, Math.min(32_124, random.gaussian() * rms)))
  t.ok(
    verdicts(loud(40_000))
      .slice(5, 95)
      .every((verdict) => verdict === 'tone'),
  )
  t.notOk(verdicts(loud(9000)).slice(5, 95).includes('tone'))
  t.end()
})

t.test('noise and silence are clean', (t) => {
  const random = seededRandom(77)
  const noise = Int16Array.from({ length: 4000 }, () => random.gaussian() * 900)
  t.notOk(
    verdicts(noise)
      .slice(5, 95)
      .some((verdict) => verdict !== 'clean'),
  )
  t.notOk(verdicts(new Int16Array(4000)).some((verdict) => verdict !== 'clean'))
  t.end()
})

t.test('the order in which blocks come makes no difference in the end', (t) => {
  const samples = keyInNoise(5, {})
  const order = [...blocksOf(samples).keys()]
    .map((block) => (block % 8 < 4 ? block + 4 : block - 4))
    .filter((b) => b < 100)
  const shuffled = verdicts(samples, order)
  t.same(shuffled.slice(0, 96), verdicts(samples).slice(0, 96))
  t.end()
})

t.test('with blocks missing a fragment of a key beside the hole does not count as clean', (t) => {
  const samples = keyInNoise(5, {})
  const holes = new Set([36, 37, 38, 39, 41, 42, 43, 44, 48, 49, 50, 51])
  const gate = new ToneGate()
  const found = verdicts(
    samples,
    [...blocksOf(samples).keys()].filter((block) => !holes.has(block)),
    gate,
  )
  for (const block of [40, 45, 46, 47]) t.not(found[block], 'clean')
  t.notOk(gate.knows(41))
  t.end()
})

t.test('a block that is too old is not taken', (t) => {
  const gate = new ToneGate()
  gate.analyse(1000, new Int16Array(40), 0)
  gate.analyse(1000 - 128, new Int16Array(40), 0)
  t.ok(gate.knows(1000))
  t.notOk(gate.knows(1000 - 128))
  t.notOk(gate.knows(-1))
  t.end()
})
