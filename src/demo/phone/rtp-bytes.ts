import type { LoggedPacket } from './phone-protocol.ts'

export type RtpPacket = Omit<LoggedPacket, 'atUs'>

/**
 * Writes an RTP packet (RFC 3550 section 5.1).
 *
 *     0                   1                   2                   3
 *    +-+-+-+-------+-+-------------+-------------------------------+
 *    |V=2|P|X| CC  |M|     PT      |       sequence number         |
 *    +-----------------------------+-------------------------------+
 *    |                           timestamp                         |
 *    +-------------------------------------------------------------+
 *    |                             SSRC                            |
 *    +-------------------------------------------------------------+
 */
export function formatRtp(packet: RtpPacket): Buffer {
  const bytes = Buffer.allocUnsafe(12 + packet.payload.length)
  bytes[0] = 0x80
  bytes[1] = (packet.marker ? 0x80 : 0) | packet.payloadType
  bytes.writeUInt16BE(packet.sequence, 2)
  bytes.writeUInt32BE(packet.timestamp, 4)
  bytes.writeUInt32BE(packet.ssrc, 8)
  bytes.set(packet.payload, 12)
  return bytes
}

/** Reads an RTP packet; contributing sources, extension and padding are taken off. Undefined when it is none. */
export function parseRtp(bytes: Buffer): RtpPacket | undefined {
  if (bytes.length < 12) return undefined
  const first = bytes.readUInt8(0)
  const second = bytes.readUInt8(1)
  if (first >> 6 !== 2) return undefined
  let start = 12 + (first & 0x0f) * 4
  if ((first & 0x10) !== 0) {
    if (bytes.length < start + 4) return undefined
    start += 4 + bytes.readUInt16BE(start + 2) * 4
  }
  const padding = (first & 0x20) === 0 ? 0 : bytes.readUInt8(bytes.length - 1)
  const end = bytes.length - padding
  if (start > end) return undefined
  return {
    payloadType: second & 0x7f,
    marker: (second & 0x80) !== 0,
    sequence: bytes.readUInt16BE(2),
    timestamp: bytes.readUInt32BE(4),
    ssrc: bytes.readUInt32BE(8),
    payload: Uint8Array.from(bytes.subarray(start, end)),
  }
}
