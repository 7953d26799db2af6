import t from 'tap'
import { RtpTimeline } from '../../../src/cde/guard/rtp-timeline.ts'

const at = (sequence: number, timestamp: number, ssrc = 1) => ({ ssrc, sequence, timestamp: timestamp >>> 0 })

t.test('audio is placed by its timestamps, whatever the jitter, over both wraps', (t) => {
  const timeline = new RtpTimeline()
  t.equal(timeline.placeAudio(at(65_535, -160), 1_000), 1_000)
  t.equal(timeline.placeAudio(at(0, 0), 1_037), 1_020)
  t.equal(timeline.placeAudio(at(2, 320), 1_041), 1_060)
  t.equal(timeline.placeAudio(at(1, 160), 1_065), 1_040, 'a late one has its own place')
  t.end()
})

t.test('a clock that jumps, backwards or far, is placed anew where it arrived', (t) => {
  const timeline = new RtpTimeline()
  timeline.placeAudio(at(1, 1_000_000), 0)
  t.equal(timeline.placeAudio(at(2, 5), 20), 20)
  t.equal(timeline.placeAudio(at(3, 165), 40), 40)
  t.equal(timeline.placeAudio(at(4, 165 + 8 * 30_000), 60), 60)
  t.equal(timeline.placeAudio(at(9, 0, 2), 500), 500, 'another source')
  t.end()
})

t.test('an event keeps its place while it lasts, and an odd clock is taken as of now', (t) => {
  const timeline = new RtpTimeline()
  timeline.placeAudio(at(1, 8_000), 0)
  t.equal(timeline.placeEvent(at(2, 8_000 + 800), 100, 0), 100)
  t.equal(timeline.placeEvent(at(90, 8_000 + 800), 5_000, 4_900), 100)
  t.equal(timeline.placeEvent(at(91, 8_000 + 800), 2_100, 0), 100, 'a redundant block of two seconds ago')
  t.equal(timeline.placeEvent(at(91, 3_000_000_000), 6_000, 20), 5_980)
  t.equal(timeline.placeEvent(at(92, 8_000 + 8 * 6_300), 6_000, 20), 5_980, 'nothing comes before it happened')
  t.equal(timeline.placeEvent(at(91, 0, 7), 6_100, 40), 6_060, 'another source, of which nothing came before')
  t.end()
})
