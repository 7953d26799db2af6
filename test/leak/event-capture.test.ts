import t from 'tap'
import type { CountedKey } from '../../src/cde/guard/key-merge.ts'
import { KeyReceiver } from '../../src/cde/guard/key-receiver.ts'
import { parseRtp } from '../../src/cde/guard/rtp-packet.ts'
import { eventPackets, toDatagrams, type EventSender, type LinePacket } from '../fakes/event-sender.ts'
import { payerStream, type PayerPacket } from '../fakes/payer-stream.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const KEYS = [4, 2, 6, 6, 6, 0, 9, 9, 1, 11]

/** What comes of these datagrams, with the clock running between them as the guard's does. */
function heard(packets: readonly PayerPacket[], infos: readonly { atMs: number; body: string }[] = []) {
  const keys: CountedKey[] = []
  const receiver = new KeyReceiver((key) => keys.push(key))
  const steps = [
    ...packets.map(({ atMs, datagram }) => ({ atMs, datagram, body: null })),
    ...infos.map(({ atMs, body }) => ({ atMs, datagram: null, body })),
  ].sort((a, b) => a.atMs - b.atMs)
  let nowMs = 0
  for (const { atMs, datagram, body } of steps) {
    nowMs = Math.max(nowMs, atMs)
    receiver.due(nowMs)
    if (body !== null) receiver.info(Buffer.from(body), true, nowMs)
    const parsed = datagram === null ? null : parseRtp(datagram)
    if (parsed?.kind === 'rtp') receiver.accept(parsed.packet, nowMs)
  }
  receiver.due(nowMs + 1_000)
  return { keys: keys.map(({ press }) => press.key), doubled: keys.filter(({ doubled }) => doubled).length }
}

const heardOf = (packets: readonly LinePacket[]) => heard(toDatagrams(packets))
const good = (keys: readonly number[] = KEYS) => ({ keys, doubled: 0 })
const sent = (sender: Partial<EventSender> = {}) => eventPackets({ keys: KEYS, ...sender })

/** Changes the event packets of a sender of 100 ms presses; `sinceMs` counts from the start of the press. */
function spoiled(
  change: (packet: LinePacket & { readonly sinceMs: number }) => Partial<LinePacket>,
): readonly LinePacket[] {
  return sent()
    .map((packet) => {
      if (packet.event === null) return packet
      return { ...packet, ...change({ ...packet, sinceMs: (packet.atMs - 1_200) % 200 }) }
    })
    .sort((a, b) => a.atMs - b.atMs)
}

/** Numbers the copies of each press's end packet. */
function copies(): (press: number) => number {
  const counts = new Map<number, number>()
  return (press) => {
    const count = counts.get(press) ?? 0
    counts.set(press, count + 1)
    return count
  }
}

t.test('every update interval with fast, usual and long keys, with and without audio beside them', (t) => {
  const lengths = [
    { onMs: 50, offMs: 50 },
    { onMs: 100, offMs: 100 },
    { onMs: 300, offMs: 60 },
    { onMs: 3_000, offMs: 200 },
  ]
  for (const everyMs of [10, 20, 30, 40, 50, 60])
    for (const length of lengths)
      for (const audio of ['between', 'always', 'none'] as const)
        t.same(heardOf(sent({ everyMs, audio, ...length })), good(), `${everyMs} ms, ${length.onMs} ms, ${audio}`)
  t.end()
})

t.test('what senders do wrong with markers, ends, durations and numbers', (t) => {
  t.same(heardOf(spoiled(() => ({ marker: false }))), good(), 'no marker')
  t.same(heardOf(spoiled(() => ({ marker: true }))), good(), 'nothing but markers')
  t.same(heardOf(sent({ endCopies: 0 })), good(), 'no end')
  t.same(heardOf(sent({ endCopies: 0, onMs: 50, offMs: 50 })), good(), 'no end, fast')
  t.same(heardOf(sent({ endCopies: 8 })), good(), 'eight ends')
  for (const units of [1, 160, 800]) {
    const copy = copies()
    const moved = spoiled(({ event, press, timestamp }) =>
      event?.end === true ? { timestamp: timestamp + copy(press) * units } : {},
    )
    t.same(heardOf(moved), good(), `ends that move by ${units} units`)
  }
  const copy = copies()
  const late = spoiled(({ event, press, timestamp, atMs }) => {
    const number = event?.end === true ? copy(press) : 0
    return { atMs: atMs + 20 * number, timestamp: timestamp + 160 * number }
  })
  t.same(heardOf(late), good(), 'ends 20 ms apart, each with a new timestamp')
  t.same(heardOf(sent({ firstMs: 0 })), good(), 'a first duration of zero')
  const lasting = (duration: (units: number, end: boolean) => number) =>
    spoiled(({ event }) =>
      event === null ? {} : { event: { ...event, duration: duration(event.duration, event.end) } },
    )
  t.same(heardOf(lasting(() => 0)), good(), 'durations of zero')
  t.same(heardOf(lasting((units, end) => (end ? units - 200 : units))), good(), 'a shorter last duration')
  t.same(heardOf(spoiled(() => ({ sequence: 7 }))), good(), 'one sequence number for all')
  t.same(heardOf(sent().flatMap((packet) => [packet, packet])), good(), 'every packet twice')
  t.end()
})

t.test('what gateways do with timestamps and sources', (t) => {
  t.same(heardOf(spoiled(() => ({ timestamp: 1_600 }))), good(), 'one timestamp for all presses')
  t.same(
    heardOf(spoiled(({ timestamp, sinceMs }) => ({ timestamp: timestamp + sinceMs * 8 }))),
    good(),
    'one each packet',
  )
  t.same(
    heardOf(spoiled(({ timestamp }) => ({ ssrc: 9, timestamp: timestamp + 5e8 }))),
    good(),
    'a source of their own',
  )
  const twice = sent().flatMap((packet) =>
    packet.event === null ? [packet] : [packet, { ...packet, ssrc: 0x99, timestamp: packet.timestamp + 777 }],
  )
  t.same(heardOf(twice), good(), 'from two sources at once')
  for (const changed of ['ssrc', 'timestamp', 'both'] as const) {
    const packets = spoiled(({ sinceMs, ssrc, timestamp, press }) => {
      if (sinceMs < 40) return {}
      return {
        ssrc: changed === 'timestamp' ? ssrc : 0x60 + press,
        timestamp: changed === 'ssrc' ? timestamp : timestamp + 12_345_678 * (press + 1),
      }
    })
    t.same(heardOf(packets), good(), `a change of ${changed} in the middle of each press`)
  }
  for (const clock of [16, 48])
    for (const audio of ['between', 'always', 'none'] as const)
      for (const onMs of [50, 100, 200])
        t.same(
          heardOf(sent({ clock, audio, onMs, offMs: onMs })),
          good(),
          `a clock of ${clock} kHz, ${audio}, ${onMs} ms`,
        )
  t.end()
})

t.test('a press of twenty seconds is one, in segments as RFC 4733 asks, and stuck at the longest duration', (t) => {
  const long = eventPackets({ keys: [5, 5], onMs: 20_000, offMs: 200, everyMs: 50 })
  t.same(heardOf(long), good([5, 5]), 'stuck')
  const segmented = long.map((packet) => {
    if (packet.event === null) return packet
    const sinceMs = packet.event.end ? 20_000 : packet.atMs - 1_200 - packet.press * 20_200 + 50
    const segment = Math.floor((sinceMs * 8 - 1) / 0xffff)
    const event = { ...packet.event, duration: sinceMs * 8 - segment * 0xffff }
    return { ...packet, timestamp: packet.timestamp + segment * 0xffff, event }
  })
  t.same(heardOf(segmented), good([5, 5]), 'segments')
  t.end()
})

t.test('events on every payload number that has no meaning of its own, and on no other', (t) => {
  for (const payloadType of [35, 63, 64, 71, 77, 95, 96, 100, 102, 127])
    t.same(heardOf(sent({ payloadType })), good(), `${payloadType}`)
  for (const payloadType of [3, 9, 13, 18, 34]) t.same(heardOf(sent({ payloadType })), good([]), `${payloadType}`)
  t.end()
})

t.test('jitter and packets out of order lose and double nothing', (t) => {
  const random = seededRandom(3550)
  for (const jitterMs of [10, 20, 40])
    for (const onMs of [50, 100])
      for (let round = 0; round < 5; round += 1) {
        const packets = sent({ onMs, offMs: onMs })
          .map((packet) => ({ ...packet, atMs: packet.atMs + random.next() * jitterMs }))
          .sort((a, b) => a.atMs - b.atMs)
        t.same(heardOf(packets), good(), `${jitterMs} ms of jitter, keys of ${onMs} ms`)
      }
  t.end()
})

t.test('with loss a key may be missing, but none is doubled or another one', (t) => {
  const random = seededRandom(30)
  const lines = [
    { name: '5 % at random', burst: 1, loss: 0.05, keysMin: 1 },
    { name: '30 % at random', burst: 1, loss: 0.3, keysMin: 0.99 },
    { name: '10 % in bursts of 3', burst: 3, loss: 0.1, keysMin: 0.99 },
    { name: '30 % in bursts of 5', burst: 5, loss: 0.3, keysMin: 0.9 },
  ]
  for (const { name, burst, loss, keysMin } of lines) {
    let [sentKeys, heardKeys] = [0, 0]
    for (let round = 0; round < 60; round += 1) {
      const keys = Array.from({ length: 16 }, () => random.below(3))
      let left = 0
      const packets = eventPackets({ keys }).filter(() => {
        if (left === 0 && random.next() < loss / burst) left = 1 + random.below(2 * burst - 1)
        if (left === 0) return true
        left -= 1
        return false
      })
      const found = heardOf(packets)
      sentKeys += keys.length
      heardKeys += found.keys.length
      let at = 0
      for (const key of keys) if (key === found.keys[at]) at += 1
      if (at !== found.keys.length || found.doubled > 0) t.fail(`${name}: a key that was not pressed`)
    }
    t.ok(heardKeys >= keysMin * sentKeys, `${name}: ${heardKeys} of ${sentKeys}`)
  }
  t.end()
})

t.test('events, then tones, then INFO, then events again in one field', (t) => {
  const part = (keys: readonly number[], transport: 'events' | 'inband' | 'both', startMs: number) => {
    const at = (startMs - 1_000) / 20
    return payerStream({ keys, transport, startMs, firstTimestamp: 160 * at, firstSequence: 4 * at })
  }
  const packets = [
    ...part([4, 4, 2], 'events', 1_000),
    ...part([2, 6, 6], 'inband', 3_000),
    ...part([1, 1], 'both', 7_000),
  ]
  const infos = [0, 0, 9].map((key, index) => ({
    atMs: 5_000 + 400 * index,
    body: `Signal=${key}\r\nDuration=160\r\n`,
  }))
  t.same(heard(packets, infos), good([4, 4, 2, 2, 6, 6, 0, 0, 9, 1, 1]))
  t.end()
})

t.test('a key that a gateway tells twice, sooner than a hand could, looks doubled', (t) => {
  for (const laterMs of [101, 110, 125]) {
    const again = sent()
      .filter(({ event }) => event !== null)
      .map((packet) => ({
        ...packet,
        atMs: packet.atMs + laterMs,
        timestamp: packet.timestamp + laterMs * 8,
        sequence: packet.sequence + 100,
      }))
    const twice = [...sent({ offMs: 100 }), ...again].sort((a, b) => a.atMs - b.atMs)
    t.ok(heardOf(twice).doubled > 0, `${laterMs} ms later`)
  }
  t.end()
})
