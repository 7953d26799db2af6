import t from 'tap'
import { SenderClock } from '../../../src/cde/trunk-check/sender-clock.ts'

const packet = (timestamp: number, ssrc = 1) => ({ ssrc, timestamp: timestamp >>> 0 })

t.test('packets lie where their timestamps say, however late they come, and over the wrap', (t) => {
  const clock = new SenderClock()
  t.equal(clock.placeAudio(packet(-160), 1_000), 1_000)
  t.equal(clock.placeAudio(packet(0), 1_950), 1_020, 'a machine that stood still moves nothing')
  t.equal(clock.placeAudio(packet(320), 1_951), 1_060)
  t.equal(clock.placeAudio(packet(160), 1_990), 1_040, 'nor does a packet out of order')
  t.equal(clock.placeAudio(packet(80_320), 12_000), 11_060, 'nor a long silence')
  t.equal(clock.placeEvent(packet(80_000), 12_010), 11_020)
  t.end()
})

t.test('a first packet that was late puts the timeline ahead, and INFO is placed on it', (t) => {
  const clock = new SenderClock()
  clock.placeAudio(packet(0), 2_000)
  for (let index = 1; index < 20; index += 1) clock.placeAudio(packet(index * 160), 1_500 + index * 20 + 500 / index)
  t.ok(clock.here(3_000) > 3_400)
  t.equal(clock.placeEvent(packet(1_600), 1_700), 2_200)
  t.end()
})

t.test('timestamps that jump are placed anew, behind what was', (t) => {
  const clock = new SenderClock()
  clock.placeAudio(packet(0), 1_000)
  clock.placeAudio(packet(160), 1_020)
  t.equal(clock.placeAudio(packet(9_000_000), 1_040), 1_040)
  t.equal(clock.placeAudio(packet(9_000_160), 1_060), 1_060)
  t.equal(clock.placeEvent(packet(5), 1_070), 1_070)
  t.equal(clock.placeAudio(packet(77, 2), 1_080), 1_080, 'another source where it arrives')
  t.equal(clock.placeEvent(packet(77, 3), 1_090), 1_090)
  t.equal(clock.placeEvent(packet(77 + 800_000, 3), 1_500), 1_500, 'a source of events alone that jumps')
  t.end()
})
