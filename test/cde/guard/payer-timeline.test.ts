import t from 'tap'
import { ULAW_TO_LINEAR } from '../../../src/cde/guard/g711.ts'
import { PayerTimeline } from '../../../src/cde/guard/payer-timeline.ts'
import { toUlaw } from '../../fakes/dtmf-signal.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

function noise(samples: number): Uint8Array {
  const random = seededRandom(3)
  return toUlaw(Float64Array.from({ length: samples }, () => random.gaussian() * 500))
}

const START = 40_000

function filled(): PayerTimeline {
  const timeline = new PayerTimeline()
  timeline.write({ position: START, payload: noise(1600), law: 'ulaw' })
  return timeline
}

t.test('a block in the middle of known noise is clean, one that is missing or half there is an edge', (t) => {
  const timeline = filled()
  t.equal(timeline.verdict(START / 40 + 20), 'clean')
  t.equal(timeline.verdict(START / 40 + 40), 'edge')
  timeline.write({ position: START + 1600, payload: noise(20), law: 'ulaw' })
  t.equal(timeline.verdict(START / 40 + 40), 'edge')
  t.ok(timeline.holdsAudio(START + 1619))
  t.notOk(timeline.holdsAudio(START + 1620))
  t.end()
})

t.test('packets that are no whole number of blocks fill them one after the other', (t) => {
  const timeline = new PayerTimeline()
  const audio = noise(1650)
  for (let at = 0; at < 1650; at += 55) {
    timeline.write({ position: START + at, payload: audio.subarray(at, at + 55), law: 'ulaw' })
  }
  t.equal(timeline.verdict(START / 40 + 20), 'clean')
  t.end()
})

t.test('a block that is written twice is not trusted', (t) => {
  const timeline = filled()
  timeline.write({ position: START + 800, payload: noise(40), law: 'ulaw' })
  t.equal(timeline.verdict(START / 40 + 20), 'edge')
  t.end()
})

t.test('masked spans hold, and never get lost when there are many', (t) => {
  const timeline = filled()
  for (let at = 0; at < 40; at += 1) timeline.maskSpan({ from: START + at * 100, to: START + at * 100 + 10 })
  for (let at = 0; at < 40; at += 1) t.ok(timeline.inMaskedSpan(Math.floor((START + at * 100) / 40)))
  t.notOk(timeline.inMaskedSpan(START / 40 - 1))
  t.notOk(timeline.inMaskedSpan(START / 40 + 101))
  t.end()
})

t.test('time that went out as noise is remembered while it can matter', (t) => {
  const timeline = new PayerTimeline()
  timeline.substitute({ from: START, to: START + 160 })
  t.ok(timeline.isSubstituted({ from: START, to: START + 160 }))
  t.notOk(timeline.isSubstituted({ from: START, to: START + 161 }))
  timeline.write({ position: START + 128 * 40, payload: noise(160), law: 'alaw' })
  t.notOk(timeline.isSubstituted({ from: START, to: START + 160 }))
  t.end()
})

t.test('a whole block can be read, and one with a hole reads as silence, as does all once wiped', (t) => {
  const timeline = filled()
  const block = new Float64Array(40)
  timeline.read(START + 810, block, 30)
  const expected = [...noise(1600).subarray(810, 840)].map((byte) => ULAW_TO_LINEAR[byte] ?? 0)
  t.same([...block.subarray(0, 30)], expected)
  timeline.read(START + 1600, block, 40)
  t.same(
    [...block],
    Array.from({ length: 40 }, () => 0),
  )
  timeline.wipe()
  timeline.read(START + 800, block, 40)
  t.same(
    [...block],
    Array.from({ length: 40 }, () => 0),
  )
  t.end()
})
