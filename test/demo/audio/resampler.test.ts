import t from 'tap'
import { resample } from '../../../src/demo/audio/resampler.ts'

function sine(options: { readonly hz: number; readonly rateHz: number }): Int16Array {
  return Int16Array.from({ length: options.rateHz }, (_, at) =>
    Math.round(10_000 * Math.sin((2 * Math.PI * options.hz * at) / options.rateHz)),
  )
}

t.test('a tone keeps its place, pitch and level at another rate', (t) => {
  for (const [fromHz, toHz] of [
    [8_000, 22_050],
    [22_050, 8_000],
    [8_000, 8_000],
  ] as const) {
    const out = resample(sine({ hz: 1_000, rateHz: fromHz }), { fromHz, toHz })
    const want = sine({ hz: 1_000, rateHz: toHz })
    t.equal(out.length, toHz)
    const worst = out.subarray(200, -200).reduce((most, sample, at) => {
      return Math.max(most, Math.abs(sample - (want[at + 200] ?? 0)))
    }, 0)
    t.ok(worst < 150, 'within 1.5 percent')
  }
  t.end()
})

t.test('what does not fit into the lower rate is taken out', (t) => {
  const out = resample(sine({ hz: 7_000, rateHz: 22_050 }), { fromHz: 22_050, toHz: 8_000 })
  t.ok(out.subarray(100, -100).every((sample) => Math.abs(sample) < 300))
  t.end()
})
