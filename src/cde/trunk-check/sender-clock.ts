import { G711_RATE_HZ } from '../guard/g711.ts'

const UNITS_PER_MS = G711_RATE_HZ / 1000
/** A step of the timestamps that is this far from that of the arrivals is a jump, when it is as long itself. */
const JUMP_MS = 1_000
/** An event's packets keep its first timestamp for up to 0xFFFF units, 8.2 s (RFC 4733 section 2.5.1.3). */
const EVENT_OFF_MS_MAX = 10_000
const SOURCES_MAX = 8

type Source = { readonly ssrc: number; timestamp: number; placeMs: number; nowMs: number; hasAudio: boolean }
type Stamp = { readonly ssrc: number; readonly timestamp: number }

/**
 * The sender's timeline in milliseconds: the first packet of a source where it arrived, all later ones by their timestamps
 * alone. Unlike a guard's, it never gives way to late arrivals: nothing waits for this audio, and its measures must not
 * depend on how busy this machine is.
 */
export class SenderClock {
  #sources: Source[] = []
  /** How far the timeline is ahead of our clock, by the packet that came with the least delay. */
  #aheadMs: number | null = null

  placeAudio(packet: Stamp, nowMs: number): number {
    const source = this.#find(packet, nowMs)
    source.hasAudio = true
    return this.#move(source, packet, nowMs)
  }

  /** The timestamp stands still while an event lasts, so it may be old. */
  placeEvent(packet: Stamp, nowMs: number): number {
    const source = this.#find(packet, nowMs)
    const placeMs = placeOf(source, packet)
    if (Math.abs(placeMs - this.here(nowMs)) <= EVENT_OFF_MS_MAX) return placeMs
    return source.hasAudio ? this.here(nowMs) : this.#move(source, packet, nowMs)
  }

  /** Where a moment of our clock lies on the timeline. */
  here(nowMs: number): number {
    return Math.round(nowMs + (this.#aheadMs ?? 0))
  }

  #find(packet: Stamp, nowMs: number): Source {
    const known = this.#sources.find((source) => source.ssrc === packet.ssrc)
    if (known !== undefined) return known
    const source = { ...packet, placeMs: this.here(nowMs), nowMs, hasAudio: false }
    this.#sources = [...this.#sources, source].slice(-SOURCES_MAX)
    return source
  }

  #move(source: Source, packet: Stamp, nowMs: number): number {
    let placeMs = placeOf(source, packet)
    const stepMs = placeMs - source.placeMs
    const isJump = Math.abs(stepMs) > JUMP_MS && Math.abs(stepMs - (nowMs - source.nowMs)) > JUMP_MS
    if (isJump) placeMs = Math.max(this.here(nowMs), Math.ceil(source.placeMs))
    if (stepMs < 0 && !isJump) return placeMs
    source.timestamp = packet.timestamp
    source.placeMs = placeMs
    source.nowMs = nowMs
    this.#aheadMs = Math.max(this.#aheadMs ?? -Infinity, placeMs - nowMs)
    return placeMs
  }
}

/** Timestamps wrap at 32 bits. */
function placeOf(source: Source, packet: Stamp): number {
  return source.placeMs + ((packet.timestamp - source.timestamp) | 0) / UNITS_PER_MS
}
