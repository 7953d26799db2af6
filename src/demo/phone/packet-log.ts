import { nowUs } from '../monotonic.ts'
import type { LoggedInfo, LoggedPacket, PhoneEvent, PhoneReport, PressedKey } from './phone-protocol.ts'
import type { RtpPacket } from './rtp-bytes.ts'

/** Forty minutes of one direction; a longer call is cut and says so. */
const PACKETS_MAX = 120_000

/** Messages and events of a phone that does nothing but signalling for an hour. */
const LINES_MAX = 20_000

/** Everything one phone could have recorded, kept in memory until the report. */
export class PacketLog {
  readonly #sent: LoggedPacket[] = []
  readonly #received: LoggedPacket[] = []
  readonly #rtcp: { readonly atUs: number; readonly bytes: Uint8Array }[] = []
  readonly #keys: PressedKey[] = []
  readonly #infosSent: LoggedInfo[] = []
  readonly #infosReceived: LoggedInfo[] = []
  readonly #events: PhoneEvent[] = []
  readonly #sipReceived: string[] = []
  readonly #sipSent: string[] = []
  #notRtp = 0
  #truncated = false

  sent(packet: LoggedPacket): void {
    this.#keep(this.#sent, packet, PACKETS_MAX)
  }

  received(packet: RtpPacket | undefined): void {
    if (packet === undefined) this.#notRtp += 1
    else this.#keep(this.#received, { atUs: nowUs(), ...packet }, PACKETS_MAX)
  }

  rtcpReceived(bytes: Buffer): void {
    this.#keep(this.#rtcp, { atUs: nowUs(), bytes: Uint8Array.from(bytes) }, LINES_MAX)
  }

  key(key: PressedKey): void {
    this.#keep(this.#keys, key, LINES_MAX)
  }

  infoSent(info: LoggedInfo): void {
    this.#keep(this.#infosSent, info, LINES_MAX)
  }

  infoReceived(info: LoggedInfo): void {
    this.#keep(this.#infosReceived, info, LINES_MAX)
  }

  event(event: PhoneEvent): void {
    this.#keep(this.#events, event, LINES_MAX)
  }

  sip(way: 'sent' | 'received', bytes: Buffer): void {
    this.#keep(way === 'sent' ? this.#sipSent : this.#sipReceived, bytes.toString('utf8'), LINES_MAX)
  }

  report(name: string): PhoneReport {
    return {
      name,
      sent: this.#sent,
      received: this.#received,
      rtcpReceived: this.#rtcp,
      notRtp: this.#notRtp,
      keys: this.#keys,
      infosSent: this.#infosSent,
      infosReceived: this.#infosReceived,
      events: this.#events,
      sipReceived: this.#sipReceived,
      sipSent: this.#sipSent,
      truncated: this.#truncated,
    }
  }

  #keep<Item>(list: Item[], item: Item, max: number): void {
    if (list.length < max) list.push(item)
    else this.#truncated = true
  }
}
