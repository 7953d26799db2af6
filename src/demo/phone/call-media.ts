import { MediaLine } from './media-line.ts'
import { MediaPort } from './media-port.ts'
import type { PacketLog } from './packet-log.ts'
import type { PhoneOptions, PressOptions, PressOutcome, ReinviteOptions } from './phone-protocol.ts'
import { parseRtp } from './rtp-bytes.ts'
import {
  answerDirection,
  formatSdp,
  maySend,
  parseSdp,
  type AudioDescription,
  type CodecName,
  type Direction,
} from './sdp-text.ts'
import type { MediaSide } from './user-agent.ts'

/** Ports that one phone may open by re-INVITE; old ones go on listening, for packets still under way. */
const PORTS_MAX = 16

/** What most gateways use for telephone-event. */
const EVENT_PAYLOAD_TYPE = 101

export type CallMediaOptions = {
  readonly options: PhoneOptions
  readonly log: PacketLog
  readonly speech: Int16Array
  readonly onInfoKey: (key: string, onMs: number) => void
}

/** What we say of ourselves in SDP. */
type Stance = { readonly port: MediaPort; readonly codecs: readonly CodecName[]; readonly direction: Direction }

/** The media of a phone: its ports, what was offered and agreed (RFC 3264), and the line that sends. */
export class CallMedia implements MediaSide {
  readonly #options: CallMediaOptions
  readonly #ports: MediaPort[]
  readonly #session = { number: Date.now() % 1_000_000_000, version: 0 }
  #ours: Stance
  /** The stance before an offer that may still be refused. */
  #before: Stance
  #theirs: AudioDescription | undefined
  #line: MediaLine | undefined
  #speaking = true

  private constructor(options: CallMediaOptions, port: MediaPort) {
    this.#options = options
    this.#ports = [port]
    this.#ours = { port, codecs: options.options.codecs ?? ['PCMU', 'PCMA'], direction: 'sendrecv' }
    this.#before = this.#ours
  }

  /** Returns undefined when the address cannot be bound. */
  static async open(options: CallMediaOptions): Promise<CallMedia | undefined> {
    const port = await openPort(options.options.address, options.log)
    return port === undefined ? undefined : new CallMedia(options, port)
  }

  offer(): string {
    const wished = this.#options.options.eventPayloadType
    const eventPayloadType = wished === undefined ? EVENT_PAYLOAD_TYPE : (wished ?? undefined)
    return this.#format(this.#ours.codecs, eventPayloadType, this.#ours.direction)
  }

  answerTo(offer: string): string | undefined {
    const theirs = parseSdp(offer)
    const codec = theirs?.codecs.find((offered) => this.#ours.codecs.includes(offered))
    if (theirs === undefined || codec === undefined) return undefined
    const direction = answerDirection(theirs.direction)
    this.#ours = { ...this.#ours, direction }
    this.#before = this.#ours
    this.#agree(theirs, codec)
    return this.#format([codec], this.#eventType(theirs), direction)
  }

  acceptAnswer(answer: string): boolean {
    const theirs = parseSdp(answer)
    const codec = theirs?.codecs.find((answered) => this.#ours.codecs.includes(answered))
    if (theirs === undefined || codec === undefined) return false
    this.#before = this.#ours
    this.#agree(theirs, codec)
    return true
  }

  offerRefused(): void {
    this.#ours = this.#before
  }

  stop(): void {
    this.#line?.close()
    this.#line = undefined
    this.#theirs = undefined
    this.#ours = { ...this.#ours, direction: 'sendrecv' }
    this.#before = this.#ours
  }

  /** Stops sending and closes all ports. Safe to call twice. */
  close(): void {
    this.stop()
    for (const port of this.#ports) port.close()
  }

  /** Prepares the next offer of a re-INVITE. Returns false when a new port cannot be had. */
  async change(options: ReinviteOptions): Promise<boolean> {
    let port = this.#ours.port
    if (options.address !== undefined || options.newPort === true) {
      if (this.#ports.length >= PORTS_MAX) return false
      const opened = await openPort(options.address ?? port.address, this.#options.log)
      if (opened === undefined) return false
      this.#ports.push(opened)
      port = opened
    }
    this.#before = this.#ours
    this.#ours = {
      port,
      codecs: options.codecs ?? this.#ours.codecs,
      direction: options.direction ?? this.#ours.direction,
    }
    return true
  }

  speak(on: boolean): void {
    this.#speaking = on
    this.#line?.speak(on)
  }

  press(options: PressOptions): Promise<PressOutcome> {
    return this.#line?.press(options) ?? Promise.resolve({ kind: 'no_call' })
  }

  #agree(theirs: AudioDescription, codec: CodecName): void {
    this.#theirs = theirs
    this.#line ??= this.#newLine()
    if (!maySend(this.#ours.direction, this.#theirs)) this.#line.direct(undefined)
    else {
      this.#line.direct({
        port: this.#ours.port,
        host: theirs.address,
        remotePort: theirs.port,
        codec,
        eventPayloadType: this.#eventType(theirs),
      })
    }
  }

  #newLine(): MediaLine {
    const line = new MediaLine(this.#options)
    line.speak(this.#speaking)
    return line
  }

  /** Events only when both sides named them; an answer uses the number of the offer. */
  #eventType(theirs: AudioDescription): number | undefined {
    return this.#options.options.eventPayloadType === null ? undefined : theirs.eventPayloadType
  }

  #format(codecs: readonly CodecName[], eventPayloadType: number | undefined, direction: Direction): string {
    this.#session.version += 1
    return formatSdp(
      { address: this.#ours.port.address, port: this.#ours.port.port, codecs, eventPayloadType, direction },
      {
        user: this.#options.options.sdpOrigin ?? 'telephone',
        session: this.#session.number,
        version: this.#session.version,
      },
    )
  }
}

function openPort(address: string, log: PacketLog): Promise<MediaPort | undefined> {
  return MediaPort.open(address, {
    rtp: (bytes) => log.received(parseRtp(bytes)),
    rtcp: (bytes) => log.rtcpReceived(bytes),
  })
}
