import { G711_RATE_HZ } from '../guard/g711.ts'
import { NO_HAND_GAP_MS } from '../guard/key-press.ts'
import type { TelephoneEvent } from '../guard/telephone-event-packet.ts'
import type { EventFigures } from '../../wire/trunk-check-protocol.ts'

/** One event packet as it arrived. */
export type EventArrival = {
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly payloadType: number
  readonly marker: boolean
  /** Of the event's timestamp, on the sender's timeline. */
  readonly startMs: number
  readonly nowMs: number
  readonly event: TelephoneEvent
}

/** What telephone events told of one press. */
export type EventTelling = {
  readonly key: number
  readonly ssrc: number
  readonly firstSequence: number
  readonly firstMs: number
  readonly startMs: number
  readonly payloadType: number
  readonly marker: boolean
  readonly volume: number
  readonly doubled: boolean
  endMs: number
  lastHeardMs: number
  duration: number
  durationMax: number
  endPackets: number
  /** Of them under the sequence number of one before, which a network's own repetition looks like too. */
  endsRepeated: number
  endSequence: number | null
  restamped: EventFigures['restamped']
  readonly timestamps: Set<number>
  readonly updates: number[]
  readonly sequences: Set<number>
}

/** The event clock beside G.711 is its own (RFC 4733 section 2.1). */
const UNITS_PER_MS = G711_RATE_HZ / 1000
/** Keys of the last seconds; a second of nobody's hand has this many. */
const TELLINGS_MAX = 32
const SEQUENCES_MAX = 4_096
/** A segment ends near here (RFC 4733 section 2.5.1.3); a sender may end it one update earlier. */
const SEGMENT_UNITS_MIN = 0xf000

/** Groups event packets by press. Repeated, late and restamped packets belong to the press that they tell of. */
export class EventTellings {
  readonly #told: (telling: EventTelling) => void
  #tellings: EventTelling[] = []

  /** `told` hears of each press at its first packet; the telling is written on. */
  constructor(told: (telling: EventTelling) => void) {
    this.#told = told
  }

  take(arrival: EventArrival): void {
    const { event } = arrival
    const telling = this.#sameTimestamp(arrival) ?? this.#restamped(arrival) ?? this.#begin(arrival)
    telling.lastHeardMs = arrival.nowMs
    if (telling.sequences.has(arrival.sequence)) {
      if (event.end) telling.endsRepeated += 1
      return
    }
    if (telling.sequences.size >= SEQUENCES_MAX) return
    telling.sequences.add(arrival.sequence)
    const wasEnded = telling.endSequence !== null
    if (event.end) {
      telling.endPackets += 1
      telling.endSequence ??= arrival.sequence
    }
    // The first end counts; what comes after it repeats it, or came late.
    if (wasEnded) return
    // With new timestamps each duration counts from its own; the press lasts from its first packet to the last end.
    const units = Math.round((arrival.startMs - telling.startMs) * UNITS_PER_MS) + event.duration
    if (!event.end) telling.updates.push(units)
    telling.duration = event.end ? units : Math.max(telling.duration, units)
    telling.durationMax = Math.max(telling.durationMax, units)
    telling.endMs = telling.startMs + telling.duration / UNITS_PER_MS
  }

  #sameTimestamp(arrival: EventArrival): EventTelling | null {
    const known = this.#tellings.findLast(
      (telling) =>
        telling.ssrc === arrival.ssrc &&
        telling.key === arrival.event.event &&
        telling.timestamps.has(arrival.timestamp),
    )
    if (known === undefined) return null
    const { endSequence } = known
    // A sender that does not move its timestamp: the end was sent, and the key is down again in a later packet.
    const isAnew = endSequence !== null && !arrival.event.end && isLater(arrival.sequence, endSequence)
    return isAnew ? null : known
  }

  #restamped(arrival: EventArrival): EventTelling | null {
    const last = this.#tellings.at(-1)
    if (last === undefined || last.ssrc !== arrival.ssrc || last.key !== arrival.event.event) return null
    if (last.timestamps.has(arrival.timestamp)) return null
    if (arrival.startMs < last.startMs || arrival.startMs - last.endMs >= NO_HAND_GAP_MS) return null
    if (last.endSequence !== null && !arrival.event.end) return null
    if (last.restamped !== 'none') last.timestamps.add(arrival.timestamp)
    else if (last.endSequence !== null) last.restamped = 'end_packets'
    else last.restamped = last.duration >= SEGMENT_UNITS_MIN ? 'segments' : 'each_packet'
    last.timestamps.add(arrival.timestamp)
    return last
  }

  #begin(arrival: EventArrival): EventTelling {
    const last = this.#tellings.at(-1)
    const isReused = last?.timestamps.has(arrival.timestamp) === true
    const startMs = isReused ? Math.max(arrival.startMs, last.endMs) : arrival.startMs
    const doubled =
      !isReused && last?.key === arrival.event.event && startMs >= last.startMs && startMs - last.endMs < NO_HAND_GAP_MS
    const telling: EventTelling = {
      key: arrival.event.event,
      ssrc: arrival.ssrc,
      firstSequence: arrival.sequence,
      firstMs: arrival.nowMs,
      startMs,
      payloadType: arrival.payloadType,
      marker: arrival.marker,
      volume: arrival.event.volume,
      doubled,
      endMs: startMs,
      lastHeardMs: arrival.nowMs,
      duration: 0,
      durationMax: 0,
      endPackets: 0,
      endsRepeated: 0,
      endSequence: null,
      restamped: 'none',
      timestamps: new Set([arrival.timestamp]),
      updates: [],
      sequences: new Set(),
    }
    this.#tellings.push(telling)
    if (this.#tellings.length > TELLINGS_MAX) this.#tellings = this.#tellings.slice(-TELLINGS_MAX)
    this.#told(telling)
    return telling
  }
}

/** What may be said of it. */
export function eventFigures(telling: EventTelling): EventFigures {
  const updates = [...telling.updates].sort((a, b) => a - b)
  const steps = updates.slice(1).map((units, index) => units - (updates[index] ?? 0))
  return {
    payloadType: telling.payloadType,
    durationMs: clamp(telling.duration / UNITS_PER_MS, 0, 600_000),
    updateMs: steps.length === 0 ? null : clamp(median(steps) / UNITS_PER_MS, 0, 600_000),
    endPackets: Math.min(telling.endPackets + telling.endsRepeated, 1_000),
    endsRenumbered: telling.endsRepeated === 0,
    marker: telling.marker,
    statedDbm0: telling.volume === 0 ? 0 : -telling.volume,
    restamped: telling.restamped,
    shrank: telling.duration < telling.durationMax,
  }
}

export function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, Math.round(value))) + 0
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}

/** Sequence numbers wrap at 16 bits. */
function isLater(sequence: number, than: number): boolean {
  return ((sequence - than) << 16) >> 16 > 0
}
