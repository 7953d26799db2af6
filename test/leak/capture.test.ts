import t from 'tap'
import { measureCapture } from '../../bench/leak/capture.ts'

/** A fixed part of `npm run bench -- leak`. */
const measured = measureCapture({ seed: 2404, keys: 2_000, keysPerRow: 160, voiceGainsDb: [0] })

t.test('every key that ITU-T Q.24 says must be taken is taken, once, at every limit and between', (t) => {
  t.equal(measured.captured, measured.inSpec)
  t.equal(measured.extra, 0)
  for (const { name, keys, captured, extra } of measured.perAxis)
    t.same({ captured, extra }, { captured: keys, extra: 0 }, name)
  t.end()
})

t.test('what it says must not be taken is not', (t) => {
  for (const { name, keys, taken } of measured.outOfSpec) t.ok(keys > 0 && taken === 0, name)
  t.end()
})

t.test('two hours of voices in five languages make no key', (t) => {
  t.ok(measured.hours > 2)
  t.equal(measured.perVoice.length, 5)
  for (const { voice, falseKeys } of measured.perVoice) t.equal(falseKeys, 0, voice)
  t.end()
})
