import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { errorFields, type Logger } from '../../../kit/log.ts'
import type { Address } from '../../../wire/guard-protocol.ts'
import { buildRtp, parseRtp, type RtpPacket } from '../rtp-packet.ts'
import { PACKET_SAMPLES, type TestVoice } from './test-voice.ts'

const PACKET_MS = 20
/** Twenty seconds of audio with an event beside every packet: a test is over long before. */
const HEARD_MAX = 2_000
/** After a stall of the process, so many packets are sent at once at most. */
const BURST_MAX = 25

export type TestHeard = { readonly packet: RtpPacket; readonly atMs: number }

/** A telephone of a self-test: a socket that sends a voice every 20 ms and keeps what it hears. */
export class TestLine {
  readonly address: Address
  readonly heard: TestHeard[] = []
  readonly #socket: Socket
  readonly #clockMs: () => number
  readonly #ssrc: number
  readonly #firstTimestamp: number
  #sequence: number
  readonly #sentMs: number[] = []
  #timer: NodeJS.Timeout | null = null
  #closed = false

  private constructor(socket: Socket, host: string, clockMs: () => number) {
    this.#socket = socket
    this.#clockMs = clockMs
    this.address = { host, port: socket.address().port }
    const random = randomBytes(10)
    this.#ssrc = random.readUInt32BE(0)
    this.#firstTimestamp = random.readUInt32BE(4)
    this.#sequence = random.readUInt16BE(8)
    socket.on('message', (datagram) => {
      const parsed = parseRtp(datagram)
      if (parsed.kind === 'rtp' && this.heard.length < HEARD_MAX)
        this.heard.push({ packet: parsed.packet, atMs: clockMs() })
    })
  }

  /** Null when the system has no port left. */
  static open(options: {
    readonly host: string
    readonly clockMs: () => number
    readonly logger: Logger
  }): Promise<TestLine | null> {
    const { host, clockMs, logger } = options
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
    return new Promise((resolve) => {
      socket.on('error', (error) => {
        logger.warn(errorFields(error), 'a socket of the self-test reported an error')
        resolve(null)
      })
      socket.bind(0, host, () => resolve(new TestLine(socket, host, clockMs)))
    })
  }

  /** Packet times sent so far. */
  get sentCount(): number {
    return this.#sentMs.length
  }

  /** When the packet time was sent, in milliseconds of the guard's clock. */
  sentMs(index: number): number | undefined {
    return this.#sentMs[index]
  }

  /** Where a packet of `sender` belongs in its audio, in samples; null for what is of another source. */
  placeOf(packet: RtpPacket, sender: TestLine): number | null {
    return packet.ssrc === sender.#ssrc ? (packet.timestamp - sender.#firstTimestamp) | 0 : null
  }

  /** Sends a voice on and on. */
  talk(voice: TestVoice, to: Address): void {
    if (this.#closed || this.#timer !== null) return
    const startedMs = this.#clockMs()
    const send = () => {
      for (let burst = 0; burst < BURST_MAX; burst += 1) {
        if (startedMs + this.#sentMs.length * PACKET_MS > this.#clockMs()) break
        this.#send(voice, to)
      }
      const dueMs = startedMs + this.#sentMs.length * PACKET_MS
      this.#timer = setTimeout(send, Math.max(1, dueMs - this.#clockMs()))
    }
    send()
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#socket.close()
  }

  #send(voice: TestVoice, to: Address): void {
    const index = this.#sentMs.length
    this.#sentMs.push(this.#clockMs())
    for (const { payloadType, timestamp, payload } of voice.packets(index)) {
      this.#sequence = (this.#sequence + 1) & 0xffff
      const datagram = buildRtp({
        payloadType,
        marker: payloadType !== 0 && timestamp + PACKET_SAMPLES > index * PACKET_SAMPLES,
        sequence: this.#sequence,
        timestamp: (this.#firstTimestamp + timestamp) >>> 0,
        ssrc: this.#ssrc,
        payload,
      })
      this.#socket.send(datagram, to.port, to.host, ignore)
    }
  }
}

function ignore(): void {
  // What cannot be sent is missed by the other line.
}
