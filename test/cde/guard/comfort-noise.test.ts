import t from 'tap'
import { ComfortNoise } from '../../../src/cde/guard/comfort-noise.ts'
import { decodeAlaw, decodeUlaw } from '../../../src/cde/guard/g711.ts'
import { RMS_0_DBM0 } from '../../fakes/dtmf-signal.ts'

function noise(
  seed: number,
  options: { readonly position: number; readonly length: number; readonly law: 'ulaw' | 'alaw' },
) {
  const target = new Uint8Array(options.length + 2).fill(1)
  new ComfortNoise(seed).fill({
    target,
    start: 1,
    length: options.length,
    position: options.position,
    law: options.law,
  })
  t.same([target[0], target.at(-1)], [1, 1], 'nothing beside the span is written')
  return target.subarray(1, -1)
}

t.test('the same place has the same noise, however it is cut into packets, and another seed has other noise', (t) => {
  const whole = noise(7, { position: 1000, length: 320, law: 'ulaw' })
  t.same(noise(7, { position: 1160, length: 160, law: 'ulaw' }), whole.subarray(160))
  t.notSame(noise(8, { position: 1000, length: 320, law: 'ulaw' }), whole)
  t.end()
})

t.test('its level is -57 dBm0 within 2 dB in both laws, and a seed of zero is no silence', (t) => {
  for (const samples of [
    decodeUlaw(noise(0, { position: 0, length: 8000, law: 'ulaw' })),
    decodeAlaw(noise(0, { position: 0, length: 8000, law: 'alaw' })),
  ]) {
    const energy = samples.reduce((sum, sample) => sum + sample * sample, 0)
    const level = 20 * Math.log10(Math.sqrt(energy / samples.length) / RMS_0_DBM0)
    t.ok(Math.abs(level + 57) < 2)
  }
  t.end()
})
