import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { promisify } from 'node:util'
import type { HostPort } from '../../src/wire/configuration.ts'

/** pcap with addresses but no link: https://www.tcpdump.org/linktypes.html, LINKTYPE_RAW. */
const LINKTYPE_RAW = 101
const MAGIC = 0xa1b2c3d4
const IP_OCTETS = 20
const UDP_OCTETS = 8
const UDP_PROTOCOL = 17
const SNAP_OCTETS = 65_535
const TSHARK_MS_MAX = 60_000
const TSHARK_BYTES_MAX = 64 * 1_048_576
const run = promisify(execFile)

/** Every datagram that a test's own sockets sent and got, as a file that tshark reads: no right to capture is needed. */
export class PacketFile {
  readonly #records: Buffer[] = []

  get count(): number {
    return this.#records.length
  }

  add(datagram: Buffer, ends: { readonly from: HostPort; readonly to: HostPort }): void {
    const micros = Math.round((performance.timeOrigin + performance.now()) * 1_000)
    const octets = IP_OCTETS + UDP_OCTETS + datagram.length
    const head = Buffer.alloc(16)
    head.writeUInt32LE(Math.floor(micros / 1_000_000), 0)
    head.writeUInt32LE(micros % 1_000_000, 4)
    head.writeUInt32LE(octets, 8)
    head.writeUInt32LE(octets, 12)
    const ip = Buffer.alloc(IP_OCTETS)
    ip[0] = 0x45
    ip.writeUInt16BE(octets, 2)
    ip[8] = 64
    ip[9] = UDP_PROTOCOL
    ip.set(addressOctets(ends.from.host), 12)
    ip.set(addressOctets(ends.to.host), 16)
    ip.writeUInt16BE(headChecksum(ip), 10)
    const udp = Buffer.alloc(UDP_OCTETS)
    udp.writeUInt16BE(ends.from.port, 0)
    udp.writeUInt16BE(ends.to.port, 2)
    udp.writeUInt16BE(UDP_OCTETS + datagram.length, 4)
    this.#records.push(Buffer.concat([head, ip, udp, datagram]))
  }

  write(file: string): void {
    const head = Buffer.alloc(24)
    head.writeUInt32LE(MAGIC, 0)
    head.writeUInt16LE(2, 4)
    head.writeUInt16LE(4, 6)
    head.writeUInt32LE(SNAP_OCTETS, 16)
    head.writeUInt32LE(LINKTYPE_RAW, 20)
    writeFileSync(file, Buffer.concat([head, ...this.#records]))
  }
}

/** The packets that fit a display filter, each as its fields; several values of a field are joined by commas. */
export async function decode(
  file: string,
  options: { readonly filter: string; readonly fields: readonly string[]; readonly sipPort: number },
): Promise<readonly (readonly string[])[]> {
  const { filter, fields, sipPort } = options
  const { stdout } = await run(
    'tshark',
    [
      ...['-n', '-r', file, '-d', `udp.port==${sipPort},sip`, '-Y', filter, '-T', 'fields', '-E', 'separator=|'],
      ...fields.flatMap((field) => ['-e', field]),
    ],
    { timeout: TSHARK_MS_MAX, maxBuffer: TSHARK_BYTES_MAX },
  )
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('|'))
}

function addressOctets(host: string): Uint8Array {
  if (!isIPv4(host)) throw new Error('not an IPv4 address')
  return Uint8Array.from(host.split('.'), Number)
}

/** RFC 1071. */
function headChecksum(head: Buffer): number {
  let sum = 0
  for (let at = 0; at < head.length; at += 2) sum += head.readUInt16BE(at)
  sum = (sum & 0xffff) + (sum >>> 16)
  return ~(sum + (sum >>> 16)) & 0xffff
}
