import { nowUs } from '../../src/demo/monotonic.ts'
import { MediaPort } from '../../src/demo/phone/media-port.ts'
import type { LoggedPacket } from '../../src/demo/phone/phone-protocol.ts'
import { parseRtp } from '../../src/demo/phone/rtp-bytes.ts'
import {
  answerDirection,
  maySend,
  parseSdp,
  PAYLOAD_TYPES,
  type AudioDescription,
  type CodecName,
  type Direction,
} from '../../src/demo/phone/sdp-text.ts'
import type { MediaSide } from '../../src/demo/phone/user-agent.ts'

/** What a phone of the bench says of itself. */
export type PhoneStance = { readonly codecs: readonly CodecName[]; readonly direction: Direction }

/** What stands between a phone and the trunk, such as a transcoder: it writes the SDP, and is told the other side's. */
export type Gateway = { readonly sdp: string; readonly told: (sdp: string) => void }

const EVENT_PAYLOAD_TYPE = 101
/** Half an hour of one direction: no call of a bench lasts so long. */
const RECEIVED_MAX = 100_000

/**
 * The media of one telephone without a voice of its own: what is played through it is sent, and all that it hears is
 * written down. It carries SDP as CallMedia of the demonstration does.
 */
export class BenchPhone implements MediaSide {
  readonly received: LoggedPacket[]
  /** Bytes of RTCP that came, to be searched for what should not be there. */
  readonly rtcp: Uint8Array[]
  readonly #ports: MediaPort[]
  #gateway: Gateway | null = null
  readonly #ptimeMs: number
  readonly #events: boolean
  #stance: PhoneStance
  #before: PhoneStance
  #theirs: AudioDescription | undefined
  #version = 0

  private constructor(options: {
    readonly port: MediaPort
    readonly stance: PhoneStance
    readonly ptimeMs: number
    readonly events: boolean
    readonly received: LoggedPacket[]
    readonly rtcp: Uint8Array[]
  }) {
    this.received = options.received
    this.rtcp = options.rtcp
    this.#ports = [options.port]
    this.#stance = options.stance
    this.#before = options.stance
    this.#ptimeMs = options.ptimeMs
    this.#events = options.events
  }

  /** Rejects when no port is to be had. `gateway` is given the phone's own SDP, and says where the phone then sends. */
  static async open(options: {
    readonly address: string
    readonly codecs: readonly CodecName[]
    readonly ptimeMs?: number
    /** Whether telephone-event is named in its SDP. */
    readonly events?: boolean
    readonly gateway?: (phone: { readonly sdp: string; readonly direct: (sdp: string) => void }) => Promise<Gateway>
  }): Promise<BenchPhone> {
    const received: LoggedPacket[] = []
    const rtcp: Uint8Array[] = []
    const port = await openPort(options.address, { received, rtcp })
    const stance: PhoneStance = { codecs: options.codecs, direction: 'sendrecv' }
    const ptimeMs = options.ptimeMs ?? 20
    const phone = new BenchPhone({ port, stance, ptimeMs, received, rtcp, events: options.events ?? true })
    if (options.gateway !== undefined) {
      const sdp = phone.offer()
      phone.#gateway = await options.gateway({ sdp, direct: (answer) => phone.#direct(answer) })
    }
    return phone
  }

  /** Where this phone would send now, or null while it may not. */
  get remote(): { readonly host: string; readonly port: number } | null {
    const theirs = this.#theirs
    if (theirs === undefined || !maySend(this.#stance.direction, theirs)) return null
    return { host: theirs.address, port: theirs.port }
  }

  /** False when it may not send now. */
  send(datagram: Buffer): boolean {
    const to = this.remote
    if (to === null) return false
    this.#ports.at(-1)?.send(datagram, to)
    return true
  }

  /** Prepares the next re-INVITE. Rejects when no port is to be had. */
  async change(change: Partial<PhoneStance> & { readonly newPort?: boolean }): Promise<void> {
    const [first] = this.#ports
    if (change.newPort === true && first !== undefined) this.#ports.push(await openPort(first.address, this))
    this.#before = this.#stance
    this.#stance = {
      codecs: change.codecs ?? this.#stance.codecs,
      direction: change.direction ?? this.#stance.direction,
    }
  }

  offer(): string {
    return this.#describe(this.#stance.codecs)
  }

  answerTo(offer: string): string | undefined {
    const theirs = parseSdp(offer)
    if (theirs === undefined) return undefined
    const gateway = this.#gateway
    if (gateway !== null) {
      gateway.told(offer)
      return gateway.sdp
    }
    const codec = theirs.codecs.find((offered) => this.#stance.codecs.includes(offered))
    if (codec === undefined) return undefined
    this.#theirs = theirs
    this.#stance = { ...this.#stance, direction: answerDirection(theirs.direction) }
    return this.#describe([codec])
  }

  acceptAnswer(answer: string): boolean {
    const theirs = parseSdp(answer)
    if (theirs === undefined) return false
    if (this.#gateway === null) this.#theirs = theirs
    else this.#gateway.told(answer)
    return true
  }

  offerRefused(): void {
    this.#stance = this.#before
  }

  /** A telephone that was hung up and goes on sending all the same, until it is closed: the worst that there is. */
  stop(): void {
    this.#stance = { ...this.#stance, direction: 'sendrecv' }
  }

  /** Safe to call twice. */
  close(): void {
    this.#theirs = undefined
    for (const port of this.#ports) port.close()
  }

  #direct(sdp: string): void {
    this.#theirs = parseSdp(sdp)
  }

  #describe(codecs: readonly CodecName[]): string {
    if (this.#gateway !== null) return this.#gateway.sdp
    const port = this.#ports.at(-1)
    if (port === undefined) throw new Error('a phone has a port')
    this.#version += 1
    return describe({
      port,
      stance: { codecs, direction: this.#stance.direction },
      ptimeMs: this.#ptimeMs,
      events: this.#events,
      version: this.#version,
    })
  }
}

function describe(options: {
  readonly port: { readonly address: string; readonly port: number }
  readonly stance: PhoneStance
  readonly ptimeMs: number
  readonly events: boolean
  readonly version: number
}): string {
  const { port, stance } = options
  const types = stance.codecs.map((codec) => PAYLOAD_TYPES[codec])
  return [
    'v=0',
    `o=- 1 ${options.version} IN IP4 ${port.address}`,
    's=-',
    `c=IN IP4 ${port.address}`,
    't=0 0',
    `m=audio ${port.port} RTP/AVP ${[...types, ...(options.events ? [EVENT_PAYLOAD_TYPE] : [])].join(' ')}`,
    ...stance.codecs.map((codec) => `a=rtpmap:${PAYLOAD_TYPES[codec]} ${codec}/8000`),
    ...(options.events
      ? [`a=rtpmap:${EVENT_PAYLOAD_TYPE} telephone-event/8000`, `a=fmtp:${EVENT_PAYLOAD_TYPE} 0-15`]
      : []),
    `a=ptime:${options.ptimeMs}`,
    `a=${stance.direction}`,
    '',
  ].join('\r\n')
}

async function openPort(
  address: string,
  log: { readonly received: LoggedPacket[]; readonly rtcp: Uint8Array[] },
): Promise<MediaPort> {
  const port = await MediaPort.open(address, {
    rtp: (bytes) => {
      const packet = parseRtp(bytes)
      if (packet !== undefined && log.received.length < RECEIVED_MAX) log.received.push({ atUs: nowUs(), ...packet })
    },
    rtcp: (bytes) => {
      if (log.rtcp.length < RECEIVED_MAX) log.rtcp.push(Uint8Array.from(bytes))
    },
  })
  if (port === undefined) throw new Error('the bench cannot open a media port')
  return port
}
