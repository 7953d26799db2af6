import { G711_RATE_HZ } from './g711.ts'

/** Milliseconds per unit of the RTP clock (8000 Hz). */
const UNIT_MS = 1000 / G711_RATE_HZ

/** Audio that lies further from its arrival than this has a timeline that jumped, or is too late to be of use. */
const AUDIO_OFF_MS_MAX = 1_000

/**
 * An event that seems to have begun this much before its packet was sent, or after it came, has a clock of its own: some
 * gateways count at 48 kHz, or from anywhere. The offset of a redundant block reaches back 2.05 s (RFC 2198 section 3).
 */
const EVENT_BEHIND_MS_MAX = 2_100
const EVENT_AHEAD_MS_MAX = 200

/** A payer is one source; transfer, hold and a sender of events apart bring others. The oldest is forgotten. */
const SOURCES_MAX = 4

type Source = { readonly ssrc: number; timestamp: number; sequence: number; placeMs: number; hasAudio: boolean }

/**
 * Puts RTP timestamps of one payer on the guard's own clock, in milliseconds: the first packet of a source where it
 * arrived, all later ones by their timestamps, so that jitter does not matter. A source that jumps is placed anew.
 */
export class RtpTimeline {
  readonly #sources: Source[] = []

  /** Start of an audio packet. */
  placeAudio(packet: RtpPlace, nowMs: number): number {
    const source = this.#find(packet, nowMs)
    const placeMs = source.placeMs + unitsBetween(source.timestamp, packet.timestamp) * UNIT_MS
    const steps = ((packet.sequence - source.sequence) << 16) >> 16
    if (!source.hasAudio) {
      source.hasAudio = true
      return move(source, packet, Math.abs(placeMs - nowMs) > AUDIO_OFF_MS_MAX ? nowMs : placeMs)
    }
    if (steps <= 0) return placeMs
    const isForward = placeMs > source.placeMs && Math.abs(placeMs - nowMs) <= AUDIO_OFF_MS_MAX
    return move(source, packet, isForward ? placeMs : Math.max(nowMs, source.placeMs + UNIT_MS))
  }

  /** Start of an event. The timestamp stands still while the event lasts, by its own word `durationMs` until now. */
  placeEvent(packet: RtpPlace, nowMs: number, durationMs: number): number {
    const beganMs = nowMs - durationMs
    const source = this.#find(packet, beganMs)
    const placeMs = source.placeMs + unitsBetween(source.timestamp, packet.timestamp) * UNIT_MS
    const isOff = placeMs > beganMs + EVENT_AHEAD_MS_MAX || placeMs < beganMs - EVENT_BEHIND_MS_MAX
    return isOff ? beganMs : placeMs
  }

  /** A new source is placed at `startMs`. */
  #find(packet: RtpPlace, startMs: number): Source {
    const known = this.#sources.find((source) => source.ssrc === packet.ssrc)
    if (known !== undefined) return known
    const source: Source = {
      ssrc: packet.ssrc,
      timestamp: packet.timestamp,
      sequence: packet.sequence,
      placeMs: Math.round(startMs),
      hasAudio: false,
    }
    if (this.#sources.length === SOURCES_MAX) this.#sources.shift()
    this.#sources.push(source)
    return source
  }
}

export type RtpPlace = { readonly ssrc: number; readonly sequence: number; readonly timestamp: number }

/** Rounded to whole milliseconds when a source is placed anew, so that a sample's place stays a whole number of samples. */
function move(source: Source, packet: RtpPlace, placeMs: number): number {
  source.timestamp = packet.timestamp
  source.sequence = packet.sequence
  source.placeMs = Math.round(placeMs / UNIT_MS) * UNIT_MS
  return source.placeMs
}

/** RTP timestamps wrap at 32 bits. */
function unitsBetween(from: number, to: number): number {
  return (to - from) | 0
}
