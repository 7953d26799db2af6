import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { HostPort } from '../../src/wire/configuration.ts'
import type { PacketFile } from './packet-file.ts'
import { audioPort } from './rtp-party.ts'

const PACKET_MS = 20
const STEP = 160
const REPORT_MS = 500
const RTP_HEAD = 12
const EVENT_TYPE = 101
const KEYS = '0123456789*#'
const VOLUME = 10
const UPDATES = 4
const END_COPIES = 3
const BETWEEN_KEYS_MS = 60
/** Silence of u-law, but for a little noise that nobody takes for a key. */
const AUDIO = Uint8Array.from({ length: STEP }, (_, index) => 0xff - (index % 3))
const ENGINE = '127.0.0.1'
const TRIES_MAX = 50

/** The audio of a telephone: PCMU with RTCP beside it, every datagram of it kept. */
export class TappedMedia {
  readonly rtp: HostPort
  readonly #sockets: { readonly rtp: Socket; readonly rtcp: Socket }
  readonly #tap: PacketFile
  readonly #ssrc = Math.floor(Math.random() * 2 ** 32)
  #sequence = Math.floor(Math.random() * 60_000)
  #timestamp = Math.floor(Math.random() * 2 ** 31)
  #sent = 0
  #timers: NodeJS.Timeout[] = []
  #target: number | null = null

  private constructor(rtp: HostPort, sockets: { readonly rtp: Socket; readonly rtcp: Socket }, tap: PacketFile) {
    this.rtp = rtp
    this.#sockets = sockets
    this.#tap = tap
    for (const [socket, port] of [
      [sockets.rtp, rtp.port],
      [sockets.rtcp, rtp.port + 1],
    ] as const)
      socket.on('message', (datagram, from) =>
        tap.add(datagram, { from: { host: from.address, port: from.port }, to: { host: rtp.host, port } }),
      )
  }

  /** Two ports beside each other (RFC 3550 section 11). */
  static async open(host: string, tap: PacketFile): Promise<TappedMedia> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const rtp = await bound(host, 0)
      const port = rtp?.address().port ?? 0
      const rtcp = port % 2 === 0 ? await bound(host, port + 1) : null
      if (rtp !== null && rtcp !== null) return new TappedMedia({ host, port }, { rtp, rtcp }, tap)
      rtp?.close()
    }
    throw new Error('no two ports beside each other')
  }

  /** Sends on and on to where a description says, and reports. */
  talk(sdp: string): void {
    this.stop()
    const port = audioPort(sdp)
    this.#target = port
    this.#timers = [
      setInterval(() => this.#sendAudio(port), PACKET_MS),
      setInterval(() => this.#sendReport(port + 1), REPORT_MS),
    ]
  }

  /** Presses keys as RFC 4733 events beside the audio. */
  async press(keys: string): Promise<void> {
    const port = this.#target
    if (port === null) throw new Error('it does not talk')
    for (const key of keys) {
      const begun = this.#timestamp
      for (let update = 1; update <= UPDATES + END_COPIES; update += 1) {
        const duration = Math.min(update, UPDATES) * STEP
        const end = update > UPDATES ? 0x80 : 0
        const event = Uint8Array.of(KEYS.indexOf(key), end | VOLUME, duration >> 8, duration & 0xff)
        const marker = update === 1 ? 0x80 : 0
        this.#send(this.#packet(EVENT_TYPE | marker, begun, event), port)
        if (update <= UPDATES) await delay(PACKET_MS)
      }
      await delay(BETWEEN_KEYS_MS)
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
  }

  close(): void {
    this.stop()
    this.#sockets.rtp.close()
    this.#sockets.rtcp.close()
  }

  #sendAudio(port: number): void {
    this.#send(this.#packet(0, this.#timestamp, AUDIO), port)
    this.#timestamp = (this.#timestamp + STEP) >>> 0
  }

  #packet(type: number, timestamp: number, payload: Uint8Array): Buffer {
    const packet = Buffer.alloc(RTP_HEAD + payload.length)
    packet[0] = 0x80
    packet[1] = type
    packet.writeUInt16BE(this.#sequence, 2)
    packet.writeUInt32BE(timestamp >>> 0, 4)
    packet.writeUInt32BE(this.#ssrc, 8)
    packet.set(payload, RTP_HEAD)
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#sent += 1
    return packet
  }

  #send(packet: Buffer, port: number): void {
    this.#sockets.rtp.send(packet, port, ENGINE)
    this.#tap.add(packet, { from: this.rtp, to: { host: ENGINE, port } })
  }

  /** A sender report and a CNAME (RFC 3550 sections 6.4.1 and 6.5.1). */
  #sendReport(port: number): void {
    const report = Buffer.alloc(44)
    report.set([0x80, 200, 0, 6], 0)
    report.writeUInt32BE(this.#ssrc, 4)
    const seconds = Date.now() / 1_000 + 2_208_988_800
    report.writeUInt32BE(Math.floor(seconds), 8)
    report.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), 12)
    report.writeUInt32BE(this.#timestamp >>> 0, 16)
    report.writeUInt32BE(this.#sent, 20)
    report.writeUInt32BE(this.#sent * STEP, 24)
    report.set([0x81, 202, 0, 3], 28)
    report.writeUInt32BE(this.#ssrc, 32)
    report.set([1, 4], 36)
    report.write('tap1', 38, 'latin1')
    this.#sockets.rtcp.send(report, port, ENGINE)
    this.#tap.add(report, { from: { host: this.rtp.host, port: this.rtp.port + 1 }, to: { host: ENGINE, port } })
  }
}

async function bound(host: string, port: number): Promise<Socket | null> {
  const socket = createSocket('udp4')
  try {
    socket.bind(port, host)
    await once(socket, 'listening')
    return socket
  } catch {
    socket.close()
    return null
  }
}
