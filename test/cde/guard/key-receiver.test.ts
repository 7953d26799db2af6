import t from 'tap'
import type { CountedKey } from '../../../src/cde/guard/key-merge.ts'
import { KeyReceiver } from '../../../src/cde/guard/key-receiver.ts'
import { buildRtp, parseRtp } from '../../../src/cde/guard/rtp-packet.ts'
import { payerStream, type KeyTransport, type PayerPacket } from '../../fakes/payer-stream.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const KEYS = [4, 1, 1, 1, 11, 0, 9, 9, 10, 2]

function counted(packets: readonly PayerPacket[], then: (receiver: KeyReceiver) => void = () => undefined): number[] {
  const keys: CountedKey[] = []
  const receiver = new KeyReceiver((key) => keys.push(key))
  let nowMs = 0
  for (const { atMs, datagram } of packets) {
    nowMs = Math.max(nowMs, atMs)
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'rtp') receiver.accept(parsed.packet, nowMs)
  }
  then(receiver)
  receiver.due(nowMs + 1_000)
  if (keys.some((key) => key.doubled)) t.fail('a key looked doubled')
  return keys.map(({ press }) => press.key)
}

t.test('each transport alone and both at once count each key once, at 100 and at 50 ms', (t) => {
  for (const transport of ['events', 'inband', 'both'] as const)
    for (const onMs of [100, 50])
      t.same(counted(payerStream({ keys: KEYS, transport, startMs: 1_000, onMs, offMs: onMs })), KEYS, transport)
  t.end()
})

t.test('events are found on any dynamic payload number', (t) => {
  for (const payloadType of [96, 102, 127]) {
    const packets = payerStream({ keys: KEYS, transport: 'events', startMs: 1_000 })
    for (const { datagram } of packets)
      if (((datagram[1] ?? 0) & 0x7f) === 101) datagram[1] = ((datagram[1] ?? 0) & 0x80) | payloadType
    t.same(counted(packets), KEYS)
  }
  t.end()
})

t.test('events in RED are counted once, also where only the redundant block came through', (t) => {
  const plain = payerStream({ keys: KEYS, transport: 'events', startMs: 1_000 })
  let before: { readonly timestamp: number; readonly payload: Buffer } | null = null
  let number = 0
  const wrapped = plain.map(({ atMs, datagram }): PayerPacket => {
    const parsed = parseRtp(datagram)
    if (parsed.kind !== 'rtp' || parsed.packet.payloadType !== 101) return { atMs, datagram }
    const { packet } = parsed
    const offset = before === null ? 0 : (packet.timestamp - before.timestamp) >>> 0
    const header = Buffer.alloc(4)
    header[0] = 0x80 | 101
    header.writeUIntBE((offset << 10) | 4, 1, 3)
    const blocks = before === null ? [Buffer.of(101)] : [header, Buffer.of(101), before.payload]
    before = { timestamp: packet.timestamp, payload: packet.payload }
    return {
      atMs,
      datagram: buildRtp({ ...packet, payloadType: 121, payload: Buffer.concat([...blocks, packet.payload]) }),
    }
  })
  t.same(counted(wrapped), KEYS)
  const isRed = ({ datagram }: PayerPacket) => ((datagram[1] ?? 0) & 0x7f) === 121
  t.same(counted(wrapped.filter((packet) => !isRed(packet) || (number += 1) % 2 === 0)), KEYS)
  t.end()
})

t.test('an INFO is a key on its own, and none beside the event that it tells again', (t) => {
  const body = Buffer.from('Signal=5\r\nDuration=100\r\n')
  const silence = payerStream({ keys: [], transport: 'inband', startMs: 1_000 })
  t.same(
    counted(silence, (receiver) => void receiver.info(body, true, 1_400)),
    [5],
  )
  t.same(
    counted(silence, (receiver) => void receiver.info(Buffer.from('?'), false, 1_400)),
    [],
  )
  const five = payerStream({ keys: [5], transport: 'events', startMs: 1_000 })
  t.same(
    counted(five, (receiver) => void receiver.info(body, true, 1_400)),
    [5],
  )
  t.end()
})

t.test('keys by INFO come out in the order of their INFOs, whatever lengths they state', (t) => {
  const silence = payerStream({ keys: [], transport: 'inband', startMs: 1_000 })
  const lengths = [60, 400, 60, 2_000, 100]
  const inOrder = counted(silence, (receiver) => {
    for (const [key, durationMs] of lengths.entries())
      receiver.info(Buffer.from(['Signal=', key, '\r\nDuration=', durationMs].join('')), true, 1_400 + key * 5)
  })
  t.same(inOrder, [0, 1, 2, 3, 4])
  t.end()
})

t.test('a change of source and of transport in the middle loses nothing', (t) => {
  const part = (keys: readonly number[], transport: KeyTransport, startMs: number, ssrc: number) =>
    payerStream({ keys, transport, startMs, ssrc, firstTimestamp: ssrc * 77_777, firstSequence: ssrc * 1_000 })
  const packets = [
    ...part([1, 2], 'events', 1_000, 1),
    ...part([2, 3], 'inband', 2_000, 2),
    ...part([3, 4], 'both', 3_000, 3),
  ]
  t.same(counted(packets), [1, 2, 2, 3, 3, 4])
  t.end()
})

t.test('no packets make it throw, and packets by chance make no more keys than chance would', (t) => {
  const random = seededRandom(77)
  let keys = 0
  let calls = 0
  const receiver = new KeyReceiver(() => (keys += 1))
  const rounds = 40_000
  for (let round = 0; round < rounds; round += 1) {
    const payload = Buffer.from(Array.from({ length: random.below(24) }, () => random.below(256)))
    receiver.accept(
      {
        marker: random.next() < 0.5,
        payloadType: random.below(128),
        sequence: random.below(65_536),
        timestamp: random.below(2 ** 32),
        ssrc: random.below(8),
        payload,
      },
      round,
    )
    if (round % 10 === 0 && receiver.info(payload, random.next() < 0.5, round)) calls += 1
  }
  t.ok(Number.isFinite(receiver.heardMs))
  // One event is a key in 16 of 256 payloads of four bytes; longer ones must be keys all through. RED adds as much again.
  t.ok(keys - calls < (rounds / 24 / 16) * 2, `${keys} keys of ${rounds} packets`)
  t.ok(calls < rounds / 10 / 24, `${calls} keys of ${rounds / 10} bodies`)
  receiver.wipe()
  t.end()
})

t.test('damaged packets of a real sender make no more keys than were pressed, and a flood is not remembered', (t) => {
  const random = seededRandom(78)
  for (let round = 0; round < 200; round += 1) {
    let keys = 0
    const receiver = new KeyReceiver(() => (keys += 1))
    const packets = payerStream({ keys: KEYS, transport: 'both', startMs: 1_000 })
    for (const { atMs, datagram } of packets) {
      const damaged = Buffer.from(datagram)
      if (random.below(20) === 0) damaged[random.below(damaged.length)] = random.below(256)
      const parsed = parseRtp(random.below(20) === 0 ? damaged.subarray(0, random.below(damaged.length)) : damaged)
      if (parsed.kind === 'rtp') receiver.accept(parsed.packet, atMs)
    }
    receiver.due(100_000)
    if (keys > 2 * KEYS.length) t.fail('damage makes keys')
    t.equal(receiver.dueMs(), null)
    t.notOk(receiver.isKeyDown(100_000))
  }
  t.end()
})
