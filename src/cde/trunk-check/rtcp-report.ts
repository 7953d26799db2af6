/**
 * RTCP sender reports, RFC 3550 section 6.4.1: ours, so that the far end can report on us, and the block of its report
 * that is about us.
 *
 *      0                   1                   2                   3
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |V=2|P|    RC   |   PT=200/201  |             length            |
 *     |                         SSRC of sender                        |
 *     |   200 only: NTP time (8), RTP time (4), packets (4), octets (4) |
 *     |   RC blocks: SSRC (4), lost (1 + 3), highest (4), jitter (4), |
 *     |              last SR (4), delay since last SR (4)             |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
const SENDER_REPORT = 200
const RECEIVER_REPORT = 201
const SOURCE_DESCRIPTION = 202
const HEADER_BYTES = 8
const SENDER_BYTES = 20
const BLOCK_BYTES = 24
/** The middle of an NTP time counts in units of 1/65536 s. */
const NTP_UNITS_PER_MS = 65_536 / 1_000
const CANONICAL_NAME = 1
/** RFC 3550 section 6.5.1 wants a name; it says nothing of the host. */
const NAME = Buffer.from('trunk-check')

export type ReportAboutUs = {
  /** Of the last interval, 0 to 1. */
  readonly lostShare: number
  /** null when the far end has not heard a report of ours yet. */
  readonly roundTripMs: number | null
}

/** The middle 32 bits of an NTP time, from a clock in ms whose start does not matter. */
export function shortNtp(nowMs: number): number {
  return Math.round(nowMs * NTP_UNITS_PER_MS) >>> 0
}

/** A report of ours with the name that every compound packet needs. */
export function buildSenderReport(report: {
  readonly ssrc: number
  readonly nowMs: number
  readonly timestamp: number
  readonly packets: number
  readonly octets: number
}): Buffer {
  const nameBytes = 2 + NAME.length + 1
  const padded = Math.ceil(nameBytes / 4) * 4
  const bytes = Buffer.alloc(HEADER_BYTES + SENDER_BYTES + HEADER_BYTES + padded)
  bytes[0] = 0x80
  bytes[1] = SENDER_REPORT
  bytes.writeUInt16BE((HEADER_BYTES + SENDER_BYTES) / 4 - 1, 2)
  bytes.writeUInt32BE(report.ssrc, 4)
  const middle = shortNtp(report.nowMs)
  bytes.writeUInt32BE(middle >>> 16, 8)
  bytes.writeUInt32BE((middle << 16) >>> 0, 12)
  bytes.writeUInt32BE(report.timestamp >>> 0, 16)
  bytes.writeUInt32BE(report.packets >>> 0, 20)
  bytes.writeUInt32BE(report.octets >>> 0, 24)
  const description = HEADER_BYTES + SENDER_BYTES
  bytes[description] = 0x81
  bytes[description + 1] = SOURCE_DESCRIPTION
  bytes.writeUInt16BE((HEADER_BYTES + padded) / 4 - 1, description + 2)
  bytes.writeUInt32BE(report.ssrc, description + 4)
  bytes[description + 8] = CANONICAL_NAME
  bytes[description + 9] = NAME.length
  bytes.set(NAME, description + 10)
  return bytes
}

export type RtcpParse = { readonly kind: 'rtcp'; readonly aboutUs: ReportAboutUs | null } | { readonly kind: 'refused' }

/** Reads a compound packet. Never throws. */
export function parseRtcp(bytes: Buffer, options: { readonly ssrc: number; readonly nowMs: number }): RtcpParse {
  let aboutUs: ReportAboutUs | null = null
  let at = 0
  let isFirst = true
  while (at + HEADER_BYTES <= bytes.length) {
    const type = bytes[at + 1] ?? 0
    const end = at + (bytes.readUInt16BE(at + 2) + 1) * 4
    const isReport = type === SENDER_REPORT || type === RECEIVER_REPORT
    if ((bytes[at] ?? 0) >> 6 !== 2 || end > bytes.length || (isFirst && !isReport)) return { kind: 'refused' }
    isFirst = false
    const blocks = isReport ? (bytes[at] ?? 0) & 0x1f : 0
    let block = at + HEADER_BYTES + (type === SENDER_REPORT ? SENDER_BYTES : 0)
    for (let index = 0; index < blocks && block + BLOCK_BYTES <= end; index += 1, block += BLOCK_BYTES) {
      if (bytes.readUInt32BE(block) !== options.ssrc) continue
      const lastReport = bytes.readUInt32BE(block + 16)
      const heldFor = bytes.readUInt32BE(block + 20)
      const trip = (shortNtp(options.nowMs) - lastReport - heldFor) | 0
      const roundTripMs = lastReport === 0 || trip < 0 ? null : trip / NTP_UNITS_PER_MS
      aboutUs = { lostShare: (bytes[block + 4] ?? 0) / 256, roundTripMs }
    }
    at = end
  }
  return isFirst ? { kind: 'refused' } : { kind: 'rtcp', aboutUs }
}
