import { G711_RATE_HZ } from './g711.ts'
import { KEY_MAX, NO_HAND_GAP_MS, type KeyPress } from './key-press.ts'
import type { RtpPlace, RtpTimeline } from './rtp-timeline.ts'
import type { TelephoneEvent } from './telephone-event-packet.ts'

/** Timestamps remembered, to know a late or repeated packet again: at 10 keys a second, more than a second of them. */
const REMEMBERED_MAX = 16
const UNIT_MS = 1000 / G711_RATE_HZ

/** A segment is as long as its duration can tell; some senders round it up. */
const SEGMENT_UNITS = 0xffff
const SEGMENT_SLACK_UNITS = 160
/** By arrival a press is timed to some packets' jitter. Two presses of one key are 80 ms apart at least (ITU-T Q.24). */
const BEGAN_SLACK_MS = 40
/** Past this much after its packet came no duration is believed: some senders round up to their next update, 60 ms at most. */
const AHEAD_MS_MAX = 80

/** One event timestamp. Several can belong to one press: segments, and senders that give each packet a new one. */
type Segment = {
  readonly ssrc: number
  readonly timestamp: number
  readonly startMs: number
  readonly press: KeyPress
  /** When the press began by the arrival and the duration of its first packet. */
  readonly beganMs: number
  /** Sequence number of the packet that ended it, or null. */
  endedBy: number | null
}

/**
 * Receives telephone events (RFC 4733 section 2.5): one press for each key held, whatever of its packets arrived. The
 * timestamp tells presses apart, not the marker, which is lost or missing too often.
 */
export class EventReceiver {
  readonly #timeline: RtpTimeline
  readonly #pressed: (press: KeyPress) => void
  readonly #segments: Segment[] = []

  /** `pressed` is told of each press once, at its first packet; the press is written on while it lasts. */
  constructor(timeline: RtpTimeline, pressed: (press: KeyPress) => void) {
    this.#timeline = timeline
    this.#pressed = pressed
  }

  /** `place` is that of the packet, its timestamp that of the event. Events that are no keys (flash and others) are not taken. */
  accept(place: RtpPlace, event: TelephoneEvent, nowMs: number): void {
    if (event.event > KEY_MAX) return
    const segment =
      this.#known(place, event) ?? this.#continued(place, event, nowMs) ?? this.#begin(place, event, nowMs)
    update(segment, event, { sequence: place.sequence, nowMs })
  }

  /** Overwrites the keys that are remembered. */
  wipe(): void {
    for (const { press } of this.#segments.splice(0)) press.key = 0
  }

  /** A packet of a segment that was heard before. */
  #known(place: RtpPlace, event: TelephoneEvent): Segment | null {
    const same = (segment: Segment) =>
      segment.ssrc === place.ssrc && segment.timestamp === place.timestamp && segment.press.key === event.event
    const segment = this.#segments.findLast(same)
    if (segment === undefined) return null
    // A sender that does not move its timestamp: the end was sent, and the key is down again in a later packet.
    const isNewPress = segment.endedBy !== null && !event.end && isLater(place.sequence, segment.endedBy)
    return isNewPress ? null : segment
  }

  /**
   * A new timestamp or source that still belongs to the press before: the next segment of a press longer than 0xFFFF units
   * (RFC 4733 section 2.5.1.3), a sender that moves the timestamp with every packet, an end packet repeated with a
   * new one, or a gateway that changes its source or clock while the key is down.
   */
  #continued(place: RtpPlace, event: TelephoneEvent, nowMs: number): Segment | null {
    const last = this.#segments.at(-1)
    if (last === undefined || last.press.key !== event.event) return null
    const isSameSource = last.ssrc === place.ssrc
    const sinceLast = (place.timestamp - last.timestamp) >>> 0
    if (isSameSource && sinceLast === 0) return null
    if (last.endedBy !== null && !event.end) return null
    const durationMs = event.duration * UNIT_MS
    const startMs = this.#timeline.placeEvent(place, nowMs, durationMs)
    const isSegment = Math.abs(sinceLast - SEGMENT_UNITS) <= SEGMENT_SLACK_UNITS && last.endedBy === null
    const isBesideLast = startMs >= last.press.startMs - BEGAN_SLACK_MS && startMs - last.press.endMs < NO_HAND_GAP_MS
    const isNext = isSameSource && (isSegment || isBesideLast)
    // A timestamp that says nothing, but by its own word the key has been down for as long as in the press before.
    const isOdd = !isSameSource || startMs + durationMs > nowMs + BEGAN_SLACK_MS
    const isLasting = isOdd && nowMs - durationMs <= last.beganMs + BEGAN_SLACK_MS
    if (!isNext && !isLasting) return null
    const { press, beganMs } = last
    // An end that was told before stands; a repetition does not lengthen it.
    if (last.endedBy !== null)
      return this.#remember({ ...placeOf(place), startMs: last.startMs, press, beganMs, endedBy: place.sequence })
    return this.#remember({
      ...placeOf(place),
      startMs: Math.max(startMs, press.startMs),
      press,
      beganMs,
      endedBy: null,
    })
  }

  #begin(place: RtpPlace, event: TelephoneEvent, nowMs: number): Segment {
    const last = this.#segments.at(-1)
    const durationMs = event.duration * UNIT_MS
    const placedMs = this.#timeline.placeEvent(place, nowMs, durationMs)
    const isReused = last !== undefined && last.ssrc === place.ssrc && last.timestamp === place.timestamp
    const startMs = isReused ? Math.max(placedMs, nowMs) : placedMs
    if (last !== undefined && startMs > last.startMs) last.press.isDown = false
    const press: KeyPress = {
      key: event.event,
      transport: 'event',
      startMs,
      endMs: startMs,
      isDown: true,
      heardMs: nowMs,
    }
    const segment = this.#remember({
      ...placeOf(place),
      startMs,
      press,
      beganMs: nowMs - durationMs,
      endedBy: null,
    })
    this.#pressed(press)
    return segment
  }

  #remember(segment: Segment): Segment {
    if (this.#segments.length === REMEMBERED_MAX) this.#segments.shift()
    // Sorted by start, so that the last is the one that a continuation continues, also after a late packet.
    const after = this.#segments.findLastIndex((other) => other.startMs <= segment.startMs)
    this.#segments.splice(after + 1, 0, segment)
    return segment
  }
}

function update(
  segment: Segment,
  event: TelephoneEvent,
  options: { readonly sequence: number; readonly nowMs: number },
): void {
  const { press } = segment
  press.heardMs = options.nowMs
  if (segment.endedBy !== null) return
  const toldEndMs = segment.startMs + event.duration * UNIT_MS
  const endMs = toldEndMs > options.nowMs + AHEAD_MS_MAX ? Math.max(press.startMs, options.nowMs) : toldEndMs
  // The last duration counts, also when it is shorter than an update before it.
  press.endMs = event.end ? endMs : Math.max(press.endMs, endMs)
  if (!event.end) return
  segment.endedBy = options.sequence
  press.isDown = false
}

function placeOf(place: RtpPlace): { readonly ssrc: number; readonly timestamp: number } {
  return { ssrc: place.ssrc, timestamp: place.timestamp }
}

/** Sequence numbers wrap at 16 bits. */
function isLater(sequence: number, than: number): boolean {
  return ((sequence - than) << 16) >> 16 > 0
}
