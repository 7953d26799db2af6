import t from 'tap'
import {
  canBeEvents,
  EVENTS_PER_PACKET_MAX,
  parseRed,
  parseTelephoneEvents,
  RED_BLOCKS_MAX,
} from '../../../src/cde/guard/telephone-event-packet.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

t.test('event, end, volume and duration are read', (t) => {
  t.same(parseTelephoneEvents(Buffer.from([11, 0x80 | 10, 0x03, 0x20])), {
    kind: 'events',
    events: [{ event: 11, end: true, volume: 10, duration: 800 }],
  })
  t.end()
})

t.test('several events in one packet are read in order', (t) => {
  t.match(parseTelephoneEvents(Buffer.from([1, 0x8a, 0, 160, 2, 0x0a, 0, 80])), {
    events: [
      { event: 1, end: true, duration: 160 },
      { event: 2, end: false, duration: 80 },
    ],
  })
  t.end()
})

t.test('a payload that is no whole number of events, or too many, is refused', (t) => {
  t.match(parseTelephoneEvents(Buffer.alloc(0)), { code: 'too_short' })
  t.match(parseTelephoneEvents(Buffer.alloc(3)), { code: 'too_short' })
  t.match(parseTelephoneEvents(Buffer.alloc(6)), { code: 'not_whole_events' })
  t.match(parseTelephoneEvents(Buffer.alloc(4 * EVENTS_PER_PACKET_MAX + 4)), { code: 'too_many_events' })
  t.end()
})

t.test('RED is unwrapped with offset and length of each block', (t) => {
  const older = Buffer.from([5, 10, 0, 160])
  const newer = Buffer.from([5, 10, 1, 64])
  const header = Buffer.from([0x80 | 101, 0, 0, 0])
  header.writeUIntBE((160 << 10) | 4, 1, 3)
  t.same(parseRed(Buffer.concat([header, Buffer.from([101]), older, newer])), {
    kind: 'red',
    blocks: [
      { payloadType: 101, timestampOffset: 160, primary: false, payload: older },
      { payloadType: 101, timestampOffset: 0, primary: true, payload: newer },
    ],
  })
  t.end()
})

t.test('RED whose blocks reach past the end, never end or are too many is refused', (t) => {
  t.match(parseRed(Buffer.alloc(0)), { code: 'too_short' })
  t.match(parseRed(Buffer.from([0x80 | 101, 0])), { code: 'too_short' })
  t.match(parseRed(Buffer.from([0x80 | 101, 0, 0, 9, 101, 1, 2])), { code: 'block_past_end' })
  t.match(parseRed(Buffer.alloc((RED_BLOCKS_MAX + 1) * 4, 0x80)), { code: 'too_many_blocks' })
  t.end()
})

t.test('no bytes make either parser throw or point outside the payload', (t) => {
  const random = seededRandom(2198)
  for (let round = 0; round < 20_000; round += 1) {
    const payload = Buffer.from(Array.from({ length: random.below(60) }, () => random.below(256)))
    parseTelephoneEvents(payload)
    const parsed = parseRed(payload)
    if (parsed.kind !== 'red') continue
    const bytes = parsed.blocks.reduce((sum, block) => sum + block.payload.length, 0)
    if (bytes > payload.length) t.fail('blocks past the end')
  }
  t.end()
})

t.test(
  'events can bear every payload number that no table names, and none of a codec, of comfort noise or of RTCP',
  (t) => {
    for (const payloadType of [35, 71, 77, 95, 96, 101, 127]) t.ok(canBeEvents(payloadType), `${payloadType}`)
    for (const payloadType of [0, 8, 9, 13, 18, 34, 72, 76]) t.notOk(canBeEvents(payloadType), `${payloadType}`)
    t.end()
  },
)
