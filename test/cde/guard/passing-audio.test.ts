import t from 'tap'
import { PassingAudio } from '../../../src/cde/guard/passing-audio.ts'
import { PayerTimeline } from '../../../src/cde/guard/payer-timeline.ts'
import { keySeries, NOMINAL, toUlaw } from '../../fakes/dtmf-signal.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const START = 40_000

function noise(samples: number, seed = 3): Uint8Array {
  const random = seededRandom(seed)
  return toUlaw(Float64Array.from({ length: samples }, () => random.gaussian() * 500))
}

function passing(audio: Uint8Array): PassingAudio {
  const timeline = new PayerTimeline()
  timeline.write({ position: START, payload: audio, law: 'ulaw' })
  return new PassingAudio({ timeline, from: START })
}

/** What comes out of a stretch: zero where nothing passed. */
function out(audio: PassingAudio, from: number, length: number): Uint8Array {
  const target = new Uint8Array(length)
  audio.copy({ target, start: 0, position: START + from, length, law: 'ulaw' })
  return target
}

t.test('what passes is judged and filtered once, however often it is copied', (t) => {
  const audio = passing(noise(1600))
  t.notOk(audio.advance(START + 1200, Infinity))
  t.notOk(out(audio, 200, 800).includes(0))
  t.same(out(audio, 200, 800), out(audio, 200, 800))
  audio.advance(START + 1000, Infinity)
  t.notOk(out(audio, 1000, 160).includes(0))
  t.end()
})

t.test('what has not been judged, was never there or is past a key going down does not pass', (t) => {
  const audio = passing(noise(1600))
  audio.advance(START + 400, START + 320)
  t.notOk(out(audio, 320, 400).some((byte) => byte !== 0))
  audio.advance(START + 2400, Infinity)
  t.notOk(out(audio, 1640, 760).some((byte) => byte !== 0))
  t.end()
})

t.test('a tone is told, does not pass, and does not ring on afterwards', (t) => {
  const { signal, presses } = keySeries({ ...NOMINAL, tone: [800, 800], keys: [5] }, seededRandom(2))
  const audio = passing(toUlaw(signal))
  t.ok(audio.advance(START + 2400, Infinity))
  const [press] = presses
  if (press === undefined) throw new Error('a key was pressed')
  const heard = out(audio, 0, 2400)
  t.notOk(heard.subarray(press.start, press.start + press.samples).some((byte) => byte !== 0))
  // u-law of nothing but zero is 0xff.
  t.notOk(heard.subarray(press.start + press.samples).some((byte) => byte !== 0 && byte !== 0xff))
  t.end()
})

t.test('after a gap longer than its memory it goes on with what is new', (t) => {
  const timeline = new PayerTimeline()
  const audio = new PassingAudio({ timeline, from: START })
  timeline.write({ position: START + 80_000, payload: noise(1600), law: 'alaw' })
  audio.advance(START + 81_200, Infinity)
  t.notOk(out(audio, 80_400, 400).includes(0))
  t.end()
})

t.test('wiped, nothing of it is left to be copied', (t) => {
  const audio = passing(noise(1600))
  audio.advance(START + 1200, Infinity)
  audio.wipe()
  t.notOk(out(audio, 0, 1600).some((byte) => byte !== 0))
  t.end()
})
