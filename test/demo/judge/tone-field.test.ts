import t from 'tap'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'
import { toneSample } from '../../../src/demo/audio/tone-pair.ts'
import { ToneField } from '../../../src/demo/judge/tone-field.ts'

const LEVEL = { lowDbm0: -10, highDbm0: -8 } as const
const WHOLE = { from: 0, length: 800 }

t.test('a pair of tones is alike, one tone, noise and silence are not', (t) => {
  const pair = Int16Array.from({ length: 800 }, (_, at) => Math.round(toneSample('6', at, LEVEL)))
  const single = Int16Array.from({ length: 800 }, (_, at) =>
    Math.round(toneSample('6', at, { ...LEVEL, lowDbm0: -60 })),
  )
  const random = seededRandom(1)
  const noise = Int16Array.from({ length: 800 }, () => Math.round((random() * 2 - 1) * 5_000))
  t.ok(new ToneField(pair).likeness(WHOLE) > 0.7)
  t.ok(new ToneField(single).likeness(WHOLE) < 0.3)
  t.ok(new ToneField(noise).likeness(WHOLE) < 0.1)
  t.equal(new ToneField(new Int16Array(800)).likeness(WHOLE), 0)
  const six = new ToneField(pair).pair('6', WHOLE)
  const one = new ToneField(pair).pair('1', WHOLE)
  t.ok(six.low > 50 * one.low && six.high > 50 * one.high)
  t.end()
})

t.test('outside of the recording there is nothing', (t) => {
  const field = new ToneField(new Int16Array(100).fill(1_000))
  t.equal(field.likeness({ from: -1, length: 10 }), 0)
  t.same(field.pair('1', { from: 95, length: 10 }), { low: 0, high: 0 })
  t.same(field.pair('x', { from: 0, length: 10 }), { low: 0, high: 0 })
  t.end()
})
