/**
 * RTP, RFC 3550 section 5.1, as it arrives from rtpengine and leaves to it.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---+-+-+-------+-+-------------+-------------------------------+
 *   0 |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *     +---+-+-+-------+-+-------------+-------------------------------+
 *   4 |                           timestamp                           |
 *     +---------------------------------------------------------------+
 *   8 |           synchronization source (SSRC) identifier            |
 *     +---------------------------------------------------------------+
 *  12 |            CC contributing sources (CSRC), 4 bytes each       |
 *     +-------------------------------+-------------------------------+
 *     |  X: profile                   |  length in 32-bit words       |
 *     |  header extension (length words)                              |
 *     +---------------------------------------------------------------+
 *     |  payload ...      P: padding, its last byte counts itself too |
 *     +---------------------------------------------------------------+
 */
export type RtpPacket = {
  readonly marker: boolean
  /** 0 to 127. */
  readonly payloadType: number
  /** 16 bits. */
  readonly sequence: number
  /** 32 bits, unsigned, in the units of the codec's clock. */
  readonly timestamp: number
  /** 32 bits, unsigned. */
  readonly ssrc: number
  /** A view into the datagram, without padding. */
  readonly payload: Buffer
}

export type RtpRefusal =
  'too_short' | 'too_long' | 'not_version_2' | 'rtcp' | 'csrc_past_end' | 'extension_past_end' | 'padding_past_end'

export type RtpParse =
  { readonly kind: 'rtp'; readonly packet: RtpPacket } | { readonly kind: 'refused'; readonly code: RtpRefusal }

/** The fixed header, RFC 3550 section 5.1. */
export const RTP_HEADER_BYTES = 12

/** An Ethernet frame carries 1500 bytes at most; voice never needs more, and nothing longer is worth reading. */
export const RTP_DATAGRAM_BYTES_MAX = 1500

const CSRC_BYTES = 4
const EXTENSION_HEADER_BYTES = 4

/** Reads one datagram. Never throws; RTCP on the same port (RFC 5761) is refused by name. */
export function parseRtp(datagram: Buffer): RtpParse {
  const length = datagram.length
  if (length > RTP_DATAGRAM_BYTES_MAX) return refusals.too_long
  if (looksLikeRtcp(datagram)) return refusals.rtcp
  if (length < RTP_HEADER_BYTES) return refusals.too_short
  const first = datagram[0] ?? 0
  const second = datagram[1] ?? 0
  if (first >> 6 !== 2) return refusals.not_version_2

  let start = RTP_HEADER_BYTES + (first & 0x0f) * CSRC_BYTES
  if (start > length) return refusals.csrc_past_end
  if ((first & 0x10) !== 0) {
    if (start + EXTENSION_HEADER_BYTES > length) return refusals.extension_past_end
    start += EXTENSION_HEADER_BYTES + datagram.readUInt16BE(start + 2) * 4
    if (start > length) return refusals.extension_past_end
  }
  let end = length
  if ((first & 0x20) !== 0) {
    const padding = datagram[length - 1] ?? 0
    if (padding === 0 || padding > length - start) return refusals.padding_past_end
    end -= padding
  }
  return {
    kind: 'rtp',
    packet: {
      marker: (second & 0x80) !== 0,
      payloadType: second & 0x7f,
      sequence: datagram.readUInt16BE(2),
      timestamp: datagram.readUInt32BE(4),
      ssrc: datagram.readUInt32BE(8),
      payload: datagram.subarray(start, end),
    },
  }
}

/**
 * True for RTCP that shares the port with RTP: packet types 192 to 223 lie where RTP would have payload types 64 to
 * 95 with the marker set, which RFC 5761 section 4 forbids for RTP there.
 */
export function looksLikeRtcp(datagram: Buffer): boolean {
  const second = datagram[1]
  return second !== undefined && second >= 192 && second <= 223 && (datagram[0] ?? 0) >> 6 === 2
}

/** Writes one packet: no padding, no extension, no contributing sources. */
export function buildRtp(packet: {
  readonly payloadType: number
  readonly marker: boolean
  readonly sequence: number
  readonly timestamp: number
  readonly ssrc: number
  readonly payload: Uint8Array
}): Buffer {
  const datagram = Buffer.allocUnsafe(RTP_HEADER_BYTES + packet.payload.length)
  datagram[0] = 0x80
  datagram[1] = (packet.marker ? 0x80 : 0) | (packet.payloadType & 0x7f)
  datagram.writeUInt16BE(packet.sequence & 0xffff, 2)
  datagram.writeUInt32BE(packet.timestamp >>> 0, 4)
  datagram.writeUInt32BE(packet.ssrc >>> 0, 8)
  datagram.set(packet.payload, RTP_HEADER_BYTES)
  return datagram
}

const refusals: { readonly [Code in RtpRefusal]: RtpParse } = {
  too_short: { kind: 'refused', code: 'too_short' },
  too_long: { kind: 'refused', code: 'too_long' },
  not_version_2: { kind: 'refused', code: 'not_version_2' },
  rtcp: { kind: 'refused', code: 'rtcp' },
  csrc_past_end: { kind: 'refused', code: 'csrc_past_end' },
  extension_past_end: { kind: 'refused', code: 'extension_past_end' },
  padding_past_end: { kind: 'refused', code: 'padding_past_end' },
}
