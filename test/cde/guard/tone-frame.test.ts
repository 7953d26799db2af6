import t from 'tap'
import { FRAME_SAMPLES, FRAME_WEIGHT, ToneFrame, weightOf } from '../../../src/cde/guard/tone-frame.ts'
import { dtmfTones } from '../../fakes/dtmf-tones.ts'

const ALL_KEYS = Array.from({ length: 16 }, (_, key) => key)
const FRAME = new ToneFrame()
const keyAt = (samples: Int16Array, startMs: number, weight = FRAME_WEIGHT) =>
  FRAME.pairOf(samples, startMs * 8, weight)?.key ?? null

t.test('each key is told from a frame inside its tone, and silence is no key', (t) => {
  for (const key of ALL_KEYS) {
    const samples = dtmfTones([{ key, onMs: 60, offMs: 60 }], { leadMs: 40 })
    t.equal(keyAt(samples, 60), key)
    t.equal(keyAt(samples, 10), null)
  }
  t.end()
})

t.test('a frame of which a third is missing still says its key, by the weight of the rest', (t) => {
  const known = new Uint8Array(2 * FRAME_SAMPLES).fill(1).fill(0, FRAME_SAMPLES, FRAME_SAMPLES + 50)
  const weight = weightOf(known, FRAME_SAMPLES)
  t.ok(weight > 0.7 * FRAME_WEIGHT && weight < FRAME_WEIGHT)
  t.equal(weightOf(known.fill(1), FRAME_SAMPLES).toFixed(6), FRAME_WEIGHT.toFixed(6))
  for (const key of ALL_KEYS) {
    const samples = dtmfTones([{ key, onMs: 60, offMs: 60 }], { leadMs: 40 })
    t.equal(keyAt(samples.fill(0, 60 * 8, 60 * 8 + 50), 60, weight), key)
  }
  t.end()
})

t.test('a frequency off by 3.5 % is seen by its phase, though its energy fits', (t) => {
  const off = (offset: number) => keyAt(dtmfTones([{ key: 1, onMs: 60, offMs: 60, offset }], { leadMs: 40 }), 60)
  t.equal(off(0.015), 1)
  t.equal(off(-0.035), null)
  t.end()
})

t.test('after a wipe nothing of the audio is left that a frame could be read from', (t) => {
  const frame = new ToneFrame()
  const samples = dtmfTones([{ key: 3, onMs: 60, offMs: 60 }], { leadMs: 40 })
  t.match(frame.pairOf(samples, 480, FRAME_WEIGHT), { key: 3 })
  frame.wipe()
  t.equal(frame.pairOf(new Int16Array(400), 40, FRAME_WEIGHT), null)
  t.match(frame.pairOf(samples, 480, FRAME_WEIGHT), { key: 3 })
  t.end()
})
