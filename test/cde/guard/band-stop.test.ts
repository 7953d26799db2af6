import t from 'tap'
import { BandStop } from '../../../src/cde/guard/band-stop.ts'
import { COLUMNS_HZ, ROWS_HZ } from '../../fakes/dtmf-signal.ts'

/** Level of a sine once the filter has settled, in dB against what went in. */
function gainDb(hz: number): number {
  const samples = Float64Array.from({ length: 8000 }, (_, n) => 10_000 * Math.sin((2 * Math.PI * hz * n) / 8000))
  new BandStop().filter(samples, 0, samples.length)
  return 10 * Math.log10(samples.subarray(4000).reduce((sum, sample) => sum + sample * sample, 0) / 4000 / 5e7)
}

t.test('every frequency of a key, 3.5 % off either way, comes out 79 dB lower', (t) => {
  for (const hz of [...ROWS_HZ, ...COLUMNS_HZ]) {
    for (const offset of [-0.035, -0.02, 0, 0.02, 0.035]) t.ok(gainDb(hz * (1 + offset)) < -79, String(hz))
  }
  t.ok(gainDb(1075) < -79, 'between rows and columns as well')
  t.end()
})

t.test('what is well below and above stays within 1 dB', (t) => {
  for (const hz of [100, 200, 300, 400, 430, 2250, 2500, 3000, 3400]) t.ok(Math.abs(gainDb(hz)) < 1, String(hz))
  t.end()
})

t.test('a loud tone that ends has died away by 30 dB after 15 ms, and wholly after 200', (t) => {
  for (const hz of ROWS_HZ) {
    const samples = Float64Array.from({ length: 6000 }, (_, n) =>
      n < 4000 ? 10_000 * Math.sin((2 * Math.PI * hz * n) / 8000) : 0,
    )
    new BandStop().filter(samples, 0, samples.length)
    const loudest = (from: number, to: number) =>
      samples.subarray(from, to).reduce((max, x) => Math.max(max, Math.abs(x)), 0)
    t.ok(loudest(4120, 4200) < 300)
    t.ok(loudest(5600, 6000) < 0.01)
  }
  t.end()
})

t.test('filtering piece by piece is the same as at once, and after a reset as at first', (t) => {
  const noise = Float64Array.from({ length: 400 }, (_, n) => ((n * 7919) % 2001) - 1000)
  const whole = Float64Array.from(noise)
  new BandStop().filter(whole, 0, 400)
  const pieces = Float64Array.from(noise)
  const filter = new BandStop()
  for (let at = 0; at < 400; at += 40) filter.filter(pieces, at, 40)
  t.same(pieces, whole)
  const other = new BandStop()
  other.become(filter)
  filter.filter(pieces, 0, 400)
  other.filter(whole, 0, 400)
  t.same(pieces, whole, 'one that becomes another goes on as it does')
  filter.reset()
  const again = Float64Array.from(noise)
  filter.filter(again, 0, 400)
  const first = Float64Array.from(noise)
  new BandStop().filter(first, 0, 400)
  t.same(again, first)
  t.end()
})
