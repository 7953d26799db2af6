import t from 'tap'
import { buildSenderReport, parseRtcp, shortNtp } from '../../../src/cde/trunk-check/rtcp-report.ts'
import { randomBytes } from '../../fakes/hostile-input.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'

const OUR_SSRC = 0xdead_beef

/** A receiver report of the far end with one block. */
function receiverReport(block: {
  readonly about: number
  readonly lost: number
  readonly lastReport: number
  readonly heldFor: number
}): Buffer {
  const bytes = Buffer.alloc(32)
  bytes[0] = 0x81
  bytes[1] = 201
  bytes.writeUInt16BE(7, 2)
  bytes.writeUInt32BE(77, 4)
  bytes.writeUInt32BE(block.about, 8)
  bytes[12] = block.lost
  bytes.writeUInt32BE(block.lastReport, 24)
  bytes.writeUInt32BE(block.heldFor, 28)
  return bytes
}

t.test('a report about us tells loss and round trip', (t) => {
  const heldFor = Math.round(0.5 * 65_536)
  const bytes = receiverReport({ about: OUR_SSRC, lost: 64, lastReport: shortNtp(10_000), heldFor })
  const parsed = parseRtcp(bytes, { ssrc: OUR_SSRC, nowMs: 10_580 })
  t.match(parsed, { kind: 'rtcp', aboutUs: { lostShare: 0.25 } })
  const trip = parsed.kind === 'rtcp' ? (parsed.aboutUs?.roundTripMs ?? 0) : 0
  t.ok(Math.abs(trip - 80) < 0.1)
  const unheard = receiverReport({ about: OUR_SSRC, lost: 0, lastReport: 0, heldFor: 0 })
  t.match(parseRtcp(unheard, { ssrc: OUR_SSRC, nowMs: 5 }), { aboutUs: { roundTripMs: null } })
  const other = receiverReport({ about: 5, lost: 9, lastReport: 1, heldFor: 1 })
  t.match(parseRtcp(other, { ssrc: OUR_SSRC, nowMs: 5 }), { kind: 'rtcp', aboutUs: null })
  t.end()
})

t.test('our own report is a compound packet whose time comes back in a report', (t) => {
  const report = buildSenderReport({ ssrc: OUR_SSRC, nowMs: 123_456, timestamp: 4_294_967_295, packets: 7, octets: 99 })
  t.equal(report.length % 4, 0)
  t.same(parseRtcp(report, { ssrc: OUR_SSRC, nowMs: 0 }), { kind: 'rtcp', aboutUs: null })
  t.equal(((report.readUInt32BE(8) << 16) | (report.readUInt32BE(12) >>> 16)) >>> 0, shortNtp(123_456))
  t.end()
})

t.test('garbage is refused and never throws', (t) => {
  const random = seededRandom(2)
  for (let count = 0; count < 3_000; count += 1) {
    const bytes = randomBytes(random.below, random.below(120))
    if (bytes.length > 2 && count % 2 === 0) bytes.set([0x81, 200 + random.below(3)])
    const parsed = parseRtcp(bytes, { ssrc: OUR_SSRC, nowMs: count })
    if (parsed.kind === 'rtcp') t.equal(parsed.aboutUs, null)
  }
  t.same(parseRtcp(Buffer.alloc(0), { ssrc: 1, nowMs: 0 }), { kind: 'refused' })
  t.end()
})
