import t from 'tap'
import { EventReceiver } from '../../../src/cde/guard/event-receiver.ts'
import type { KeyPress } from '../../../src/cde/guard/key-press.ts'
import { RtpTimeline } from '../../../src/cde/guard/rtp-timeline.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

type Sent = {
  readonly key: number
  readonly atMs: number
  readonly timestamp: number
  readonly durationMs: number
  readonly end?: boolean
  readonly sequence?: number
}

/** The presses that come of these packets; timestamps in milliseconds for reading. */
function received(packets: readonly Sent[]): readonly KeyPress[] {
  const presses: KeyPress[] = []
  const timeline = new RtpTimeline()
  timeline.placeAudio({ ssrc: 1, sequence: 0, timestamp: 0 }, 0)
  const receiver = new EventReceiver(timeline, (press) => presses.push(press))
  packets.forEach((packet, index) => {
    receiver.accept(
      { ssrc: 1, sequence: packet.sequence ?? index + 1, timestamp: packet.timestamp * 8 },
      { event: packet.key, end: packet.end ?? false, volume: 10, duration: packet.durationMs * 8 },
      packet.atMs,
    )
  })
  return presses
}

/** One press as a good sender sends it. */
function press(options: {
  key: number
  startMs: number
  onMs?: number
  everyMs?: number
  firstMs?: number
}): readonly Sent[] {
  const { key, startMs, onMs = 100, everyMs = 20, firstMs = everyMs } = options
  const packets: Sent[] = []
  for (let sinceMs = 0; sinceMs < onMs; sinceMs += everyMs) {
    const durationMs = sinceMs === 0 ? firstMs : Math.min(onMs, sinceMs + everyMs)
    packets.push({ key, atMs: startMs + sinceMs, timestamp: startMs, durationMs })
  }
  const last = { key, atMs: startMs + onMs, timestamp: startMs, durationMs: onMs, end: true }
  return [...packets, last, last, last]
}

const keysOf = (presses: readonly KeyPress[]) => presses.map((press) => press.key)

t.test('ten keys with each update interval, and fast ones, are ten presses', (t) => {
  for (const everyMs of [10, 20, 30, 50, 60])
    for (const onMs of [50, 100]) {
      const keys = [0, 1, 1, 2, 3, 4, 5, 6, 10, 11]
      const packets = keys.flatMap((key, index) => press({ key, startMs: 100 + index * 2 * onMs, onMs, everyMs }))
      const presses = received(packets)
      t.same(keysOf(presses), keys)
      t.ok(presses.every((found) => !found.isDown && found.endMs - found.startMs === onMs))
    }
  t.end()
})

t.test('a press is one whatever of its packets was lost', (t) => {
  const random = seededRandom(4733)
  for (let round = 0; round < 500; round += 1) {
    const keys = Array.from({ length: 8 }, () => random.below(3))
    const packets = keys.flatMap((key, index) => {
      const all = press({ key, startMs: 100 + index * 200 })
      const kept = all.filter(() => random.next() < 0.5)
      return kept.length > 0 ? kept : all.slice(-1)
    })
    if (keysOf(received(packets)).join() !== keys.join()) t.fail('a press was lost or doubled')
  }
  t.end()
})

t.test('ends that are missing, doubled with a new timestamp, or shorter than an update do not make a press', (t) => {
  const one = press({ key: 5, startMs: 100 })
  t.same(keysOf(received(one.slice(0, -3))), [5])
  t.ok(received(one.slice(0, -3))[0]?.isDown)
  const again = { key: 5, atMs: 240, timestamp: 220, durationMs: 100, end: true }
  t.same(keysOf(received([...one, { ...again, timestamp: 120 }, again])), [5])
  const shorter = received([...one.slice(0, -3), { key: 5, atMs: 200, timestamp: 100, durationMs: 90, end: true }])
  t.match(shorter, [{ endMs: 190, isDown: false }])
  t.end()
})

t.test('a new press of the same key is one, also when the end of the last was lost', (t) => {
  const first = press({ key: 5, startMs: 100, onMs: 50 })
  const second = press({ key: 5, startMs: 200, onMs: 50 })
  t.same(keysOf(received([...first, ...second])), [5, 5])
  t.same(keysOf(received([...first.slice(0, -3), ...second])), [5, 5])
  t.same(keysOf(received([...first, ...second.slice(-1)])), [5, 5], 'only an end arrived')
  t.end()
})

t.test('packets out of order, late updates and the first duration of zero', (t) => {
  const numbered = [...press({ key: 1, startMs: 100, firstMs: 0 }), ...press({ key: 2, startMs: 300, firstMs: 0 })]
  const packets = numbered.map((packet, index) => ({ ...packet, sequence: index + 1 }))
  const first = packets.filter((packet) => packet.key === 1)
  const second = packets.filter((packet) => packet.key === 2)
  t.same(keysOf(received([...first.slice(1), ...first.slice(0, 1), ...second])), [1, 2])
  t.same(keysOf(received([...first, ...second.slice(0, 2), ...first.slice(-2), ...second.slice(2)])), [1, 2])
  const late = received([...first, ...first.slice(0, 3)])
  t.match(late, [{ isDown: false, endMs: 200 }])
  t.end()
})

t.test('a press longer than 0xFFFF units is one, with its segments', (t) => {
  const packets: Sent[] = []
  for (let sinceMs = 0; sinceMs < 20_000; sinceMs += 50) {
    const segment = Math.floor(sinceMs / 8_000) * 8_000
    packets.push({ key: 3, atMs: sinceMs, timestamp: segment, durationMs: sinceMs - segment + 50 })
  }
  packets.push({ key: 3, atMs: 20_000, timestamp: 16_000, durationMs: 4_000, end: true })
  t.match(received(packets), [{ key: 3, startMs: 0, endMs: 20_000, isDown: false }])
  t.equal(received(packets).length, 1)
  t.end()
})

t.test('a sender that moves its timestamp with each packet, and one that never moves it', (t) => {
  const moving = Array.from({ length: 6 }, (_, index) => ({
    key: 4,
    atMs: 100 + index * 20,
    timestamp: 100 + index * 20,
    durationMs: (index + 1) * 20,
    end: index === 5,
  }))
  t.same(keysOf(received(moving)), [4])
  const stuck = [100, 300].flatMap((startMs) =>
    press({ key: 4, startMs }).map((packet) => ({ ...packet, timestamp: 100 })),
  )
  t.same(keysOf(received(stuck)), [4, 4])
  t.end()
})

t.test('sequence numbers that are used twice change nothing, nor do events that are no keys', (t) => {
  const packets = [...press({ key: 1, startMs: 100 }), ...press({ key: 1, startMs: 300 })]
  t.same(keysOf(received(packets.map((packet) => ({ ...packet, sequence: 7 })))), [1, 1])
  t.same(received(press({ key: 16, startMs: 100 })), [])
  t.end()
})

t.test('a flood of timestamps does not grow memory and does not make it throw', (t) => {
  const random = seededRandom(3)
  const packets = Array.from({ length: 20_000 }, (_, index) => ({
    key: random.below(20),
    atMs: index,
    timestamp: random.below(500_000_000),
    durationMs: random.below(8_000),
    end: random.next() < 0.5,
    sequence: random.below(65_536),
  }))
  t.ok(received(packets).every((found) => found.key <= 15))
  t.end()
})
