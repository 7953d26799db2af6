import t from 'tap'
import { analyseTone, FRAME_SAMPLES, silentFrame } from '../../../src/cde/guard/tone-frame.ts'
import { dtmfTones } from '../../fakes/dtmf-tones.ts'

const ALL_KNOWN = new Uint8Array(FRAME_SAMPLES).fill(1)

/** The frame at `startMs`, judged after the one 5 ms before it. */
function frameAt(samples: Int16Array, startMs: number, known: Uint8Array = ALL_KNOWN) {
  const at = (ms: number) => samples.subarray(ms * 8, ms * 8 + FRAME_SAMPLES)
  return analyseTone(at(startMs), known, analyseTone(at(startMs - 5), ALL_KNOWN, silentFrame()))
}

t.test('each key is told from a frame inside its tone, and silence is no key', (t) => {
  for (let key = 0; key < 16; key += 1) {
    const samples = dtmfTones([{ key, onMs: 60, offMs: 60 }], { leadMs: 40 })
    t.match(frameAt(samples, 60), { key, isKnown: true })
    t.match(frameAt(samples, 10), { key: null, isKnown: true })
  }
  t.end()
})

t.test('a frame of which half is missing can still say its key; one with less says nothing', (t) => {
  const samples = dtmfTones([{ key: 7, onMs: 60, offMs: 60 }], { leadMs: 40 })
  const knownFrom = (first: number) => ALL_KNOWN.map((_, index) => (index >= first ? 1 : 0))
  const masked = (known: Uint8Array) => {
    const copy = samples.slice()
    for (let index = 0; index < FRAME_SAMPLES; index += 1) if (known[index] === 0) copy[60 * 8 + index] = 0
    return frameAt(copy, 60, known)
  }
  t.match(masked(knownFrom(60)), { key: 7, isKnown: true })
  t.match(masked(knownFrom(120)), { key: null, isKnown: false })
  t.end()
})

t.test('a frequency off by 3.5 % is seen by its phase, though its energy fits', (t) => {
  const off = (offset: number) => frameAt(dtmfTones([{ key: 1, onMs: 60, offMs: 60, offset }], { leadMs: 40 }), 60)
  t.equal(off(0.015).key, 1)
  t.equal(off(-0.035).key, null)
  t.end()
})
