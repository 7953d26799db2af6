import t from 'tap'
import { formatRtp, parseRtp } from '../../../src/demo/phone/rtp-bytes.ts'

const PACKET = {
  payloadType: 101,
  ssrc: 0xfedcba98,
  sequence: 65_535,
  timestamp: 0xffffff00,
  marker: true,
  payload: Uint8Array.of(1, 2, 3, 4),
}

t.test('a packet that was written is read again', (t) => {
  t.same(parseRtp(formatRtp(PACKET)), PACKET)
  t.end()
})

t.test('contributing sources, extension and padding are taken off', (t) => {
  const plain = formatRtp(PACKET)
  const head = Buffer.from(plain.subarray(0, 12))
  head[0] = 0xb1
  const extended = Buffer.concat([
    head,
    Buffer.alloc(4),
    Buffer.of(0, 0, 0, 1),
    Buffer.alloc(4),
    plain.subarray(12),
    Buffer.of(0, 2),
  ])
  t.same(parseRtp(extended)?.payload, PACKET.payload)
  t.end()
})

t.test('what is not RTP is refused', (t) => {
  t.equal(parseRtp(Buffer.alloc(11)), undefined)
  t.equal(parseRtp(Buffer.alloc(12)), undefined)
  t.equal(parseRtp(Buffer.concat([Buffer.of(0xa0), Buffer.alloc(10), Buffer.of(200)])), undefined)
  t.equal(parseRtp(Buffer.concat([Buffer.of(0x90), Buffer.alloc(12)])), undefined)
  t.end()
})
