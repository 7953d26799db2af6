import { isIP } from 'node:net'
import type { Address, TransportName } from './flow.ts'

/**
 * One captured SIP message as HEP version 3, the encapsulation of Homer (its public chunk registry, vendor 0):
 *
 *      0       4        6
 *     +-------+--------+----------------------------------------------
 *     | HEP3  | length | chunk, chunk, ...          length: of it all
 *     +-------+--------+----------------------------------------------
 *     chunk:  vendor u16, type u16, length u16 with these six bytes, value; big endian
 */
export type HepMessage = {
  readonly transport: TransportName
  readonly source: Address
  readonly destination: Address
  readonly atMs: number
  readonly captureId: number
  /** Of the call's leg: its Call-ID. */
  readonly correlationId: string
  /** One character a byte. */
  readonly text: string
}

/** What a UDP datagram over IPv4 can carry. */
export const HEP_BYTES_MAX = 65_507

/** Null when the addresses are no pair of one family, or the message is longer than a datagram. */
export function encodeHep(message: HepMessage): Buffer | null {
  const family = isIP(message.source.host)
  if (family === 0 || isIP(message.destination.host) !== family) return null
  const isV6 = family === 6
  const wholeMs = Math.floor(message.atMs)
  const chunks = Buffer.concat([
    chunk(CHUNK.family, u8(isV6 ? FAMILY_IPV6 : FAMILY_IPV4)),
    chunk(CHUNK.ipProtocol, u8(message.transport === 'udp' ? IP_PROTOCOL_UDP : IP_PROTOCOL_TCP)),
    chunk(isV6 ? CHUNK.sourceV6 : CHUNK.sourceV4, addressBytes(message.source.host)),
    chunk(isV6 ? CHUNK.destinationV6 : CHUNK.destinationV4, addressBytes(message.destination.host)),
    chunk(CHUNK.sourcePort, u16(message.source.port)),
    chunk(CHUNK.destinationPort, u16(message.destination.port)),
    chunk(CHUNK.seconds, u32(Math.floor(wholeMs / 1_000))),
    chunk(CHUNK.microseconds, u32(Math.floor((message.atMs * 1_000) % 1_000_000))),
    chunk(CHUNK.protocol, u8(PROTOCOL_SIP)),
    chunk(CHUNK.captureId, u32(message.captureId)),
    chunk(CHUNK.correlationId, Buffer.from(message.correlationId, 'latin1')),
    chunk(CHUNK.payload, Buffer.from(message.text, 'latin1')),
  ])
  const length = HEAD_BYTES + chunks.length
  if (length > HEP_BYTES_MAX) return null
  return Buffer.concat([Buffer.from('HEP3', 'latin1'), u16(length), chunks])
}

const HEAD_BYTES = 6
const CHUNK_HEAD_BYTES = 6

const CHUNK = {
  family: 1,
  ipProtocol: 2,
  sourceV4: 3,
  destinationV4: 4,
  sourceV6: 5,
  destinationV6: 6,
  sourcePort: 7,
  destinationPort: 8,
  seconds: 9,
  microseconds: 10,
  protocol: 11,
  captureId: 12,
  payload: 15,
  correlationId: 17,
} as const
/** As Linux numbers address families. */
const FAMILY_IPV4 = 2
const FAMILY_IPV6 = 10
const IP_PROTOCOL_TCP = 6
const IP_PROTOCOL_UDP = 17
const PROTOCOL_SIP = 1

function chunk(type: number, value: Buffer): Buffer {
  return Buffer.concat([u16(0), u16(type), u16(CHUNK_HEAD_BYTES + value.length), value])
}

function u8(value: number): Buffer {
  return Buffer.of(value)
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(Math.min(value, 0xffff))
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

function addressBytes(host: string): Buffer {
  return isIP(host) === 6 ? ipv6Bytes(host) : Buffer.from(host.split('.').map(Number))
}

/** RFC 4291 section 2.2, the form with a dotted end included; a zone is no part of the address. */
function ipv6Bytes(host: string): Buffer {
  const [plain = ''] = host.split('%')
  // The standard's own parser writes every form as groups of hexadecimal digits with one gap at most.
  const [left = '', right] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)))
  const [before, after] = [groups(left), groups(right ?? '')]
  const gap = right === undefined ? [] : Array<number>(8 - before.length - after.length).fill(0)
  return Buffer.concat([...before, ...gap, ...after].map(u16))
}
