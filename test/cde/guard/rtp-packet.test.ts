import t from 'tap'
import { buildRtp, looksLikeRtcp, parseRtp, RTP_DATAGRAM_BYTES_MAX } from '../../../src/cde/guard/rtp-packet.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const plain = {
  payloadType: 0,
  marker: true,
  sequence: 65535,
  timestamp: 4294967295,
  ssrc: 0xdeadbeef,
  payload: Buffer.from([1, 2, 3, 4]),
}

t.test('a built packet is read back as it was', (t) => {
  t.same(parseRtp(buildRtp(plain)), { kind: 'rtp', packet: plain })
  t.end()
})

t.test('sequence and timestamp wrap instead of failing', (t) => {
  const parsed = parseRtp(buildRtp({ ...plain, sequence: 65536, timestamp: 4294967296 + 5 }))
  t.match(parsed, { kind: 'rtp', packet: { sequence: 0, timestamp: 5 } })
  t.end()
})

t.test('contributing sources, a header extension and padding are stepped over', (t) => {
  const fixed = buildRtp({ ...plain, payload: Buffer.alloc(0) })
  fixed[0] = 0x80 | 0x20 | 0x10 | 2
  const sources = Buffer.alloc(8, 0xcc)
  const extension = Buffer.from([0xbe, 0xde, 0, 1, 9, 9, 9, 9])
  const parsed = parseRtp(Buffer.concat([fixed, sources, extension, Buffer.from([7, 8, 9]), Buffer.from([0, 0, 3])]))
  t.ok(parsed.kind === 'rtp' && parsed.packet.payload.equals(Buffer.from([7, 8, 9])))
  t.end()
})

t.test('what points past the end, is too short or too long is refused by name', (t) => {
  const whole = buildRtp(plain)
  const altered = (first: number, bytes = whole) => {
    const copy = Buffer.from(bytes)
    copy[0] = first
    return parseRtp(copy)
  }
  t.match(parseRtp(Buffer.alloc(0)), { code: 'too_short' })
  t.match(parseRtp(whole.subarray(0, 11)), { code: 'too_short' })
  t.match(parseRtp(Buffer.alloc(RTP_DATAGRAM_BYTES_MAX + 1, 0x80)), { code: 'too_long' })
  t.match(altered(0x40), { code: 'not_version_2' })
  t.match(altered(0x8f), { code: 'csrc_past_end' })
  t.match(altered(0x90, whole.subarray(0, 14)), { code: 'extension_past_end' })
  t.match(altered(0x90), { code: 'extension_past_end' })
  const padded = Buffer.from(whole)
  padded[0] = 0xa0
  for (const padding of [0, 5, 255]) {
    padded[padded.length - 1] = padding
    t.match(parseRtp(padded), { code: 'padding_past_end' })
  }
  t.end()
})

t.test('RTCP on the same port is told apart and refused', (t) => {
  const senderReport = Buffer.alloc(28)
  senderReport[0] = 0x80
  for (const type of [192, 200, 204, 207, 223]) {
    senderReport[1] = type
    t.ok(looksLikeRtcp(senderReport))
    t.match(parseRtp(senderReport), { code: 'rtcp' })
  }
  for (const type of [0, 8, 101, 128 + 101, 191, 224]) {
    senderReport[1] = type
    t.notOk(looksLikeRtcp(senderReport))
  }
  t.end()
})

t.test('no bytes make the parser throw or give a payload outside the datagram', (t) => {
  const random = seededRandom(4733)
  for (let round = 0; round < 20_000; round += 1) {
    const datagram = Buffer.from(Array.from({ length: random.below(80) }, () => random.below(256)))
    if (round % 2 === 0 && datagram.length > 0) datagram[0] = 0x80 | random.below(64)
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'rtp' && parsed.packet.payload.length > datagram.length - 12) t.fail('payload past the end')
  }
  t.end()
})
