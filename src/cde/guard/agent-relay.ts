import { RtpHeaderMap, type HeaderMode, type OwnHeaders } from './rtp-header-map.ts'
import { buildRtp, type RtpPacket } from './rtp-packet.ts'

/** A timestamp this far from where it should be belongs to a new clock (two seconds at 8000 Hz). */
const TIMESTAMP_JUMP_MAX = 16_000
const UNITS_PER_MS = 8

/**
 * The way back: what the agent says goes to the payer as it is, at once. Only its header is the window's own where a
 * leg is transcoded, so that the stream of before the window is not run backwards into.
 */
export class AgentRelay {
  readonly #mode: HeaderMode
  readonly #headers: RtpHeaderMap
  #last: { readonly timestamp: number; readonly position: number; readonly nowMs: number } | null = null

  constructor(options: { readonly headers: HeaderMode; readonly own: OwnHeaders }) {
    this.#mode = options.headers
    this.#headers = new RtpHeaderMap({ mode: options.headers, own: options.own })
  }

  /** The datagram to send, or null for a duplicate and what cannot be placed. */
  relay(packet: RtpPacket, datagram: Buffer, nowMs: number): Buffer | null {
    if (this.#mode === 'same') return datagram
    const arrival = this.#headers.arrive(packet)
    if (arrival.kind === 'refused') return null
    const position = this.#place(packet.timestamp, arrival.restarted, nowMs)
    const sequence = this.#headers.send(arrival)
    if (sequence === undefined) return null
    const { marker, payloadType, payload } = packet
    const timestamp = this.#headers.timestamp({ payer: packet.timestamp, position })
    return buildRtp({ marker, payloadType, sequence, timestamp, ssrc: this.#headers.ssrc(arrival), payload })
  }

  /** Units since the window's first packet. After a jump the time that passed counts. */
  #place(timestamp: number, restarted: boolean, nowMs: number): number {
    const last = this.#last
    let position = 0
    if (last !== null) {
      const step = (timestamp - last.timestamp) | 0
      const elapsed = Math.round((nowMs - last.nowMs) * UNITS_PER_MS)
      const isJump = restarted || Math.abs(step - elapsed) > TIMESTAMP_JUMP_MAX
      position = last.position + (isJump ? Math.max(1, elapsed) : step)
      if (!isJump && step <= 0) return position
    }
    this.#last = { timestamp, position, nowMs }
    return position
  }
}
