import type { Address } from '../../wire/guard-protocol.ts'
import type { RtpPacket } from '../guard/rtp-packet.ts'

/** One packet with when it came. Its payload is a view, good until the next datagram unless it was kept. */
export type Arrival = { readonly packet: RtpPacket; readonly nowMs: number }

/** RFC 3550 section A.1 asks for two in a row; a third keeps chance out where anybody can send. */
const IN_A_ROW = 3
/** Sources that may be waiting for belief; noise brings a new one with every packet. */
const CANDIDATES_MAX = 16
export const SOURCES_MAX = 8

type Candidate = { readonly ssrc: number; readonly from: string; held: Arrival[] }

/**
 * Decides which packets belong to the call. A source is believed after three packets in a row; all sources of a call
 * come from one address, first the one that the description names, else the first that is believed. Stray and hostile
 * packets change no figure but the number of strangers.
 */
export class BelievedSources {
  readonly #accept: (arrival: Arrival) => void
  readonly #believed = new Set<number>()
  #candidates: Candidate[] = []
  #described: string | null = null
  #address: string | null = null
  #strangers = 0

  constructor(accept: (arrival: Arrival) => void) {
    this.#accept = accept
  }

  /** A new description: its address may be another one. */
  describe(remote: Address): void {
    const address = addressText(remote)
    if (address === this.#described) return
    this.#described = address
    this.#address = null
  }

  get count(): number {
    return this.#believed.size
  }

  get strangers(): number {
    return this.#strangers
  }

  /** Whether the media comes from where the description says. */
  get asDescribed(): boolean {
    return this.#address === this.#described
  }

  /** A datagram that is no RTP. */
  strange(): void {
    this.#strangers += 1
  }

  take(packet: RtpPacket, from: Address, nowMs: number): void {
    const address = addressText(from)
    if (this.#address !== null && address !== this.#address && address !== this.#described) return this.strange()
    if (address === this.#address && this.#believed.has(packet.ssrc)) return this.#accept({ packet, nowMs })
    this.#consider(packet, address, nowMs)
  }

  #consider(packet: RtpPacket, from: string, nowMs: number): void {
    const arrival = { packet: { ...packet, payload: Buffer.from(packet.payload) }, nowMs }
    let candidate = this.#candidates.find((other) => other.ssrc === packet.ssrc && other.from === from)
    if (candidate === undefined) {
      candidate = { ssrc: packet.ssrc, from, held: [] }
      this.#candidates.push(candidate)
      for (const gone of this.#candidates.splice(0, this.#candidates.length - CANDIDATES_MAX)) this.#forget(gone)
    }
    const last = candidate.held.at(-1)
    if (last !== undefined && packet.sequence === last.packet.sequence) return
    if (last !== undefined && packet.sequence !== ((last.packet.sequence + 1) & 0xffff)) this.#forget(candidate)
    candidate.held.push(arrival)
    if (candidate.held.length < IN_A_ROW) return
    this.#candidates = this.#candidates.filter((other) => other !== candidate)
    if (this.#believed.size >= SOURCES_MAX) return this.#forget(candidate)
    this.#address = from
    this.#believed.add(candidate.ssrc)
    for (const held of candidate.held) {
      this.#accept(held)
      held.packet.payload.fill(0)
    }
  }

  #forget(candidate: Candidate): void {
    this.#strangers += candidate.held.length
    for (const { packet } of candidate.held) packet.payload.fill(0)
    candidate.held = []
  }
}

function addressText(address: Address): string {
  return address.host.concat(' ', String(address.port))
}
