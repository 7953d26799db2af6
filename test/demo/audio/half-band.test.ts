import t from 'tap'
import { HalfBand } from '../../../src/demo/audio/half-band.ts'

t.test('audio that is doubled and halved again is the same, 15 samples later', (t) => {
  const audio = Int16Array.from({ length: 1_600 }, (_, at) => Math.round(8_000 * Math.sin(at * 0.7)))
  const doubler = new HalfBand()
  const halver = new HalfBand()
  const out: number[] = []
  for (let at = 0; at < audio.length; at += 160) {
    const doubled = doubler.double(audio.subarray(at, at + 160))
    t.equal(doubled.length, 320)
    out.push(...halver.halve(doubled))
  }
  // Both filters together are late by 30 samples of 16 kHz; the halver takes every second one, from the second on.
  const worst = out.slice(100).reduce((most, sample, at) => {
    const here = audio[at + 100 - 14] ?? 0
    const before = audio[at + 100 - 15] ?? 0
    return Math.max(
      most,
      Math.min(
        Math.abs(sample - here),
        Math.abs(sample - before),
        Math.abs(sample - (here + before) / 2 / Math.cos(0.35)),
      ),
    )
  }, 0)
  t.ok(worst < 200)
  t.end()
})
