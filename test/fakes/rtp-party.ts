import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** The codecs that a party can be made to speak: payload type, samples of RTP time in 20 ms, octets in 20 ms. */
const CODECS = {
  PCMU: { type: 0, octets: 160 },
  PCMA: { type: 8, octets: 160 },
  G722: { type: 9, octets: 160 },
} as const
export type PartyCodec = keyof typeof CODECS

const PACKET_MS = 20
const CLOCK_STEP = 160
const HEADER_OCTETS = 12
const EVENT_WAIT_MS = 3_000

export type Heard = { readonly type: number; readonly mark: number; readonly fromPort: number; readonly atMs: number }

/**
 * A telephone's media on a real UDP socket. It sends 20 ms packets whose payload is one repeated octet, its mark, so
 * that a receiver can say whose audio it hears, as long as nothing between transcodes.
 */
export class RtpParty {
  readonly port: number
  readonly heard: Heard[] = []
  /** Whole datagrams that were heard, from when `records` is set. */
  readonly recorded: Buffer[] = []
  records = false
  /** All that came, byte by byte, at the port of RTP and at the one above. */
  readonly datagrams: { readonly rtcpPort: boolean; readonly bytes: Buffer; readonly atMs: number }[] = []
  readonly #socket: Socket
  readonly #rtcp: Socket | null
  readonly #mark: number
  readonly #codec: PartyCodec
  #timer: NodeJS.Timeout | null = null
  #sequence = Math.floor(Math.random() * 60_000)
  #timestamp = Math.floor(Math.random() * 2 ** 31)
  readonly #ssrc = Math.floor(Math.random() * 2 ** 32)

  private constructor(
    sockets: { readonly rtp: Socket; readonly rtcp: Socket | null },
    options: { readonly mark: number; readonly codec: PartyCodec },
  ) {
    const socket = sockets.rtp
    this.#socket = socket
    this.#rtcp = sockets.rtcp
    sockets.rtcp?.on('message', (bytes) => this.datagrams.push({ rtcpPort: true, bytes, atMs: performance.now() }))
    socket.on('message', (bytes) => this.datagrams.push({ rtcpPort: false, bytes, atMs: performance.now() }))
    this.#mark = options.mark
    this.#codec = options.codec
    this.port = socket.address().port
    socket.on('message', (datagram, from) => {
      if (this.records) this.recorded.push(Buffer.from(datagram))
      if (datagram.length > HEADER_OCTETS)
        this.heard.push({
          type: (datagram[1] ?? 0) & 0x7f,
          mark: datagram[HEADER_OCTETS] ?? 0,
          fromPort: from.port,
          atMs: performance.now(),
        })
    })
  }

  /** `withRtcp` also listens one port up, where RTCP goes (RFC 3550 section 11). */
  static async open(options: {
    readonly mark: number
    readonly codec?: PartyCodec
    readonly withRtcp?: boolean
  }): Promise<RtpParty> {
    for (;;) {
      const rtp = await bound(0)
      const rtcp = options.withRtcp === true && rtp !== null ? await bound(rtp.address().port + 1) : null
      if (rtp !== null && (rtcp !== null || options.withRtcp !== true))
        return new RtpParty({ rtp, rtcp }, { mark: options.mark, codec: options.codec ?? 'PCMU' })
      rtp?.close()
    }
  }

  /** The party's description; other codecs than its own can be named, and a direction. */
  sdp(options: { readonly codecs?: readonly PartyCodec[]; readonly direction?: string } = {}): string {
    const codecs = options.codecs ?? [this.#codec]
    return [
      'v=0',
      `o=alice 2890844526 2890844526 IN IP4 127.0.0.1`,
      's=A telephone of Example',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      `m=audio ${this.port} RTP/AVP ${codecs.map((codec) => CODECS[codec].type).join(' ')} 101`,
      ...codecs.map((codec) => `a=rtpmap:${CODECS[codec].type} ${codec}/8000`),
      'a=rtpmap:101 telephone-event/8000',
      'a=fmtp:101 0-15',
      `a=${options.direction ?? 'sendrecv'}`,
      'a=ptime:20',
      '',
    ].join('\r\n')
  }

  /** Sends on and on to the audio port that a description names. */
  sendTo(sdp: string): void {
    this.stop()
    const port = audioPort(sdp)
    this.sendOne(port)
    this.#timer = setInterval(() => this.sendOne(port), PACKET_MS)
  }

  sendOne(port: number): void {
    this.#socket.send(this.nextPacket(), port, '127.0.0.1')
  }

  /** Anything at all, from the port of RTP or of RTCP. */
  sendRaw(bytes: Buffer, port: number, options: { readonly fromRtcp?: boolean } = {}): void {
    const socket = options.fromRtcp === true ? this.#rtcp : this.#socket
    socket?.send(bytes, port, '127.0.0.1')
  }

  /** One more packet of the stream for the time of the last one, as events and comfort noise are; not sent yet. */
  besidePacket(): Buffer {
    this.#timestamp = (this.#timestamp - CLOCK_STEP) >>> 0
    return this.nextPacket()
  }

  /** The next packet of the stream, not sent yet. */
  nextPacket(): Buffer {
    const { type, octets } = CODECS[this.#codec]
    const packet = Buffer.alloc(HEADER_OCTETS + octets, this.#mark)
    packet[0] = 0x80
    packet[1] = type
    packet.writeUInt16BE(this.#sequence, 2)
    packet.writeUInt32BE(this.#timestamp >>> 0, 4)
    packet.writeUInt32BE(this.#ssrc, 8)
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#timestamp = (this.#timestamp + CLOCK_STEP) >>> 0
    return packet
  }

  /** Sends a datagram of the test's own making. */
  sendDatagram(datagram: Buffer, port: number): void {
    this.#socket.send(datagram, port, '127.0.0.1')
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Waits until a packet was heard that fits, from now on; throws when none came in 3 s. */
  async hears(fits: (heard: Heard) => boolean): Promise<void> {
    const from = this.heard.length
    const untilMs = performance.now() + EVENT_WAIT_MS
    while (!this.heard.slice(from).some(fits)) {
      if (performance.now() > untilMs) throw new Error('the party did not hear it')
      await delay(5)
    }
  }

  /** The marks that were heard since a time of performance.now(). */
  marksSince(sinceMs: number): ReadonlySet<number> {
    return new Set(this.heard.filter((heard) => heard.atMs >= sinceMs).map((heard) => heard.mark))
  }

  /** Safe to call twice. */
  close(): void {
    this.stop()
    for (const socket of [this.#socket, this.#rtcp]) {
      try {
        socket?.close()
      } catch {
        // It was closed already.
      }
    }
  }
}

export function audioPort(sdp: string): number {
  return Number(/^m=audio (\d+)/m.exec(sdp)?.[1] ?? 0)
}

/** null when the port is taken. */
async function bound(port: number): Promise<Socket | null> {
  const socket = createSocket('udp4')
  socket.bind(port, '127.0.0.1')
  try {
    await once(socket, 'listening')
    return socket
  } catch {
    return null
  }
}
