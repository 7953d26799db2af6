import t from 'tap'
import { KEYS, keyAt, placeOf, toneSample } from '../../../src/demo/audio/tone-pair.ts'

t.test('every key has its own place, and its code is its place in the list', (t) => {
  t.equal(KEYS.length, 16)
  t.equal(KEYS[11], '#')
  t.same(
    KEYS.map((key) => keyAt(placeOf(key) ?? { row: 9, column: 9 })),
    KEYS,
  )
  t.equal(placeOf('x'), undefined)
  t.equal(placeOf('12'), undefined)
  t.end()
})

t.test('a tone at 0 dBm0 stands 3.17 dB under full scale', (t) => {
  const level = { lowDbm0: 0, highDbm0: -200 }
  const peak = Array.from({ length: 8_000 }, (_, at) => Math.abs(toneSample('5', at, level))).reduce((a, b) =>
    Math.max(a, b),
  )
  t.ok(Math.abs(20 * Math.log10(peak / 32_124) + 3.17) < 0.05)
  t.equal(toneSample('x', 5, level), 0)
  t.end()
})
