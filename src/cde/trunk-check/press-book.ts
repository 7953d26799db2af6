import type { InfoFigures, PressFigures, ToneFigures } from '../../wire/trunk-check-protocol.ts'
import { clamp, eventFigures, type EventTelling } from './event-tellings.ts'
import { NO_HAND_GAP_MS } from '../guard/key-press.ts'
import { levelsOf, pairOf, type Span } from './tone-fit.ts'
import type { ToneTelling } from './tone-scan.ts'
import type { ToneSpan } from './tone-spans.ts'

/** A key that came by SIP INFO: when it arrived, on the sender's timeline and by our clock. */
export type InfoTelling = {
  readonly key: number
  readonly atMs: number
  readonly heardMs: number
  readonly durationMs: number
  readonly contentType: InfoFigures['contentType']
}

/** What the book needs to know of the audio around a press. */
export type PressAudio = {
  readonly spans: (key: number, within: { readonly startMs: number; readonly endMs: number }) => readonly ToneSpan[]
  /**
   * Where on the sender's timeline the first event packet was sent, in ms: not before the end of the audio packet ahead
   * of it, and not after that of the next one. null: no audio came before it.
   */
  readonly eventSentMs: (event: EventTelling) => { readonly atMs: number; readonly latestMs: number } | null
  /** When the packet with this sample arrived. */
  readonly arrivedMs: (sample: number) => number | null
}

/** A gateway detects a tone for up to this long before it sends events, and may let that much pass after them. */
const LEAD_MS_MAX = 300
const TAIL_MS_MAX = 150
/** INFO passes several SIP hops, and is sent again after 500 ms when it was lost (RFC 3261 T1). */
const INFO_LATE_MS = 800
const INFO_EARLY_MS = 300
/** Waits for the second telling of a press, before it is told itself. */
export const WAIT_MS = 900
const SAMPLES_PER_MS = 8
/** Shorter tones say nothing exact of their frequency. */
const OFFSET_SAMPLES_MIN = 40 * SAMPLES_PER_MS
const PRESSES_MAX = 1_000

type Pending =
  | { readonly kind: 'event'; readonly startMs: number; readonly event: EventTelling }
  | { readonly kind: 'tone'; readonly startMs: number; readonly tone: ToneTelling; readonly takenMs: number }
  | { readonly kind: 'info'; readonly startMs: number; readonly info: InfoTelling }

/** Makes presses of what events, tones and INFO tell, and of each press figures without its key. */
export class PressBook {
  readonly #audio: PressAudio
  readonly #told: (press: PressFigures) => void
  readonly #offsets: number[] = []
  #pending: Pending[] = []
  #used: Span[] = []
  #echo = { key: -1, untilMs: -Infinity }
  #lastEndMs: number | null = null
  #number = 0

  constructor(audio: PressAudio, told: (press: PressFigures) => void) {
    this.#audio = audio
    this.#told = told
  }

  takeEvent(event: EventTelling): void {
    this.#pending.push({ kind: 'event', startMs: event.startMs, event })
  }

  takeTone(tone: ToneTelling, nowMs: number): void {
    const startMs = (tone.spans[0]?.start ?? 0) / SAMPLES_PER_MS
    this.#pending.push({ kind: 'tone', startMs, tone, takenMs: nowMs })
  }

  takeInfo(info: InfoTelling): void {
    this.#pending.push({ kind: 'info', startMs: info.atMs - info.durationMs, info })
  }

  /** Frequency offsets of all tones that were long enough, in percent. */
  get offsets(): readonly number[] {
    return this.#offsets
  }

  /** Tells every press that nothing more can be said of. */
  due(nowMs: number): void {
    for (;;) {
      this.#pending.sort((a, b) => a.startMs - b.startMs)
      const [first] = this.#pending
      if (first === undefined || nowMs < dueOf(first)) return
      const primary = this.#primaryOf(first)
      if (nowMs < dueOf(primary)) return
      this.#pending = this.#pending.filter((other) => other !== primary)
      this.#decide(primary)
    }
  }

  /** A tone or INFO belongs to an event beside it; an INFO to a tone. */
  #primaryOf(first: Pending): Pending {
    if (first.kind === 'event') return first
    const event = this.#pending.find((other) => other.kind === 'event' && tellsSame(other.event, first))
    if (event !== undefined) return event
    if (first.kind === 'tone') return first
    return this.#pending.find((other) => other.kind === 'tone' && isInfoOf(first.info, placeOf(other.tone))) ?? first
  }

  #decide(primary: Pending): void {
    switch (primary.kind) {
      case 'event':
        return this.#tellEvent(primary.event)
      case 'tone': {
        const place = placeOf(primary.tone)
        // What a gateway lets through of a tone after its event was told.
        if (place.key === this.#echo.key && place.startMs < this.#echo.untilMs) return
        const infos = this.#takeInfos(place)
        const tone = this.#toneFigures(primary.tone.key, primary.tone.spans, null)
        return this.#tell(place, {
          event: null,
          tone,
          info: infoFigures(infos, (info) => info.atMs - place.startMs),
          doubled: false,
        })
      }
      case 'info': {
        const { info, startMs } = primary
        const again = this.#takeInfos({ key: info.key, startMs, endMs: info.atMs }, NO_HAND_GAP_MS)
        const figures = infoFigures([info, ...again], null)
        return this.#tell({ startMs, endMs: info.atMs }, { event: null, tone: null, info: figures, doubled: false })
      }
    }
  }

  #tellEvent(event: EventTelling): void {
    const { key } = event
    let { endMs } = event
    let doubled = false
    this.#pending = this.#pending.filter((other) => {
      const isAgain =
        other.kind === 'event' &&
        other.event.doubled &&
        other.event.key === key &&
        other.startMs - endMs < NO_HAND_GAP_MS
      if (isAgain) endMs = Math.max(endMs, other.event.endMs)
      doubled ||= isAgain
      return !isAgain
    })
    const next = this.#pending.find((other) => other.kind === 'event' && other.event.key === key)
    const within = { startMs: event.startMs - LEAD_MS_MAX, endMs: endMs + TAIL_MS_MAX }
    const spans = this.#audio.spans(key, within).filter((span) => {
      const startMs = span.start / SAMPLES_PER_MS
      const isNexts = next !== undefined && Math.abs(startMs - next.startMs) < Math.abs(startMs - event.startMs)
      return !isNexts && !this.#used.some((used) => isSame(used, span))
    })
    this.#pending = this.#pending.filter((other) => other.kind !== 'tone' || !tellsSame(event, other))
    const place = { key, startMs: event.startMs, endMs }
    const infos = this.#takeInfos(place)
    this.#used = [...this.#used, ...spans].slice(-SPANS_REMEMBERED)
    const tone = spans.length === 0 ? null : this.#toneFigures(key, spans, event)
    const startMs = Math.min(event.startMs, (spans[0]?.start ?? Infinity) / SAMPLES_PER_MS)
    this.#echo = { key, untilMs: endMs + TAIL_MS_ECHO }
    this.#tell(
      { startMs, endMs },
      { event: eventFigures(event), tone, info: infoFigures(infos, (info) => info.heardMs - event.firstMs), doubled },
    )
  }

  #toneFigures(key: number, spans: readonly ToneSpan[], event: EventTelling | null): ToneFigures {
    const loudest = spans.reduce((one, other) => (other.end - other.start > one.end - one.start ? other : one))
    const { lowDbm0, highDbm0 } = levelsOf(loudest.fit)
    if (loudest.end - loudest.start >= OFFSET_SAMPLES_MIN) {
      const nominal = pairOf(key)
      const low = (loudest.fit.lowHz / nominal.lowHz - 1) * 100
      const high = (loudest.fit.highHz / nominal.highHz - 1) * 100
      this.#offsets.push(Math.abs(low) > Math.abs(high) ? low : high)
    }
    const length = spans.reduce((sum, span) => sum + span.end - span.start, 0)
    const sent = event === null ? null : this.#audio.eventSentMs(event)
    const lead = sent === null ? 0 : spans.reduce((sum, span) => sum + leadOf(span, sent), 0)
    const arrivedMs = this.#audio.arrivedMs(spans[0]?.start ?? 0)
    return {
      leadMs: event === null ? null : clamp(lead / SAMPLES_PER_MS, 0, 600_000),
      durationMs: clamp(length / SAMPLES_PER_MS, 0, 600_000),
      lowDbm0: clamp(lowDbm0, -70, 10),
      twistDb: clamp(highDbm0 - lowDbm0, -60, 60),
      eventLagMs: event === null || arrivedMs === null ? null : clamp(event.firstMs - arrivedMs, -1_000, 10_000),
    }
  }

  #takeInfos(
    place: { readonly key: number; readonly startMs: number; readonly endMs: number },
    lateMs = INFO_LATE_MS,
  ): readonly InfoTelling[] {
    const taken: InfoTelling[] = []
    this.#pending = this.#pending.filter((other) => {
      if (other.kind !== 'info' || !isInfoOf(other.info, place, lateMs)) return true
      const distanceMs = Math.abs(other.info.atMs - place.endMs)
      const isNearerToOther = this.#pending.some((rival) => {
        const rivalPlace = rival.kind === 'info' ? null : rival.kind === 'tone' ? placeOf(rival.tone) : rival.event
        return rivalPlace?.key === place.key && Math.abs(other.info.atMs - rivalPlace.endMs) < distanceMs
      })
      if (isNearerToOther) return true
      taken.push(other.info)
      return false
    })
    return taken
  }

  #tell(
    place: { readonly startMs: number; readonly endMs: number },
    parts: Pick<PressFigures, 'event' | 'tone' | 'info' | 'doubled'>,
  ): void {
    if (this.#number === PRESSES_MAX) return
    this.#number += 1
    const pauseMs = this.#lastEndMs === null ? null : clamp(place.startMs - this.#lastEndMs, 0, 600_000)
    this.#lastEndMs = place.endMs
    this.#told({ number: this.#number, pauseMs, ...parts })
  }
}

/** Tones of fast keys may touch; the same stretch of tone is one that lies mostly in another. */
function isSame(used: Span, span: Span): boolean {
  return 2 * (Math.min(used.end, span.end) - Math.max(used.start, span.start)) > span.end - span.start
}

/** A fragment that ends in the packet under way when the event was sent was all of it a leading edge. */
function leadOf(span: Span, sent: { readonly atMs: number; readonly latestMs: number }): number {
  const isFragment = span.end <= sent.latestMs * SAMPLES_PER_MS
  return isFragment ? span.end - span.start : Math.max(0, sent.atMs * SAMPLES_PER_MS - span.start)
}

const SPANS_REMEMBERED = 64
/** A tone that goes on this long after the event's end is still its echo; a new press is later (ITU-T Q.24: 40 ms). */
const TAIL_MS_ECHO = 35

function dueOf(pending: Pending): number {
  switch (pending.kind) {
    case 'event':
      return pending.event.lastHeardMs + WAIT_MS
    case 'tone':
      return pending.takenMs + WAIT_MS - LEAD_MS_MAX
    case 'info':
      return pending.info.heardMs + WAIT_MS
  }
}

function placeOf(tone: ToneTelling): { readonly key: number; readonly startMs: number; readonly endMs: number } {
  const startMs = (tone.spans[0]?.start ?? 0) / SAMPLES_PER_MS
  return { key: tone.key, startMs, endMs: (tone.spans.at(-1)?.end ?? 0) / SAMPLES_PER_MS }
}

/** A tone that overlaps an event, nearly, is its own, whatever it was read as. */
function tellsSame(event: EventTelling, other: Pending): boolean {
  if (other.kind === 'event') return false
  if (other.kind === 'info') return isInfoOf(other.info, event)
  const place = placeOf(other.tone)
  if (
    place.key === event.key &&
    place.startMs < event.endMs + TAIL_MS_ECHO &&
    place.endMs > event.startMs - TONE_BEFORE_MS
  )
    return true
  return place.startMs < event.endMs && place.endMs > event.startMs
}

/** A gateway that waits for a whole tone tells its event only afterwards. */
const TONE_BEFORE_MS = 80

function isInfoOf(
  info: InfoTelling,
  place: { readonly key: number; readonly startMs: number; readonly endMs: number },
  lateMs = INFO_LATE_MS,
): boolean {
  return info.key === place.key && info.atMs >= place.startMs - INFO_EARLY_MS && info.atMs <= place.endMs + lateMs
}

function infoFigures(infos: readonly InfoTelling[], lagOf: ((info: InfoTelling) => number) | null): InfoFigures | null {
  const [first] = infos
  if (first === undefined) return null
  const lagMs = lagOf === null ? null : clamp(lagOf(first), -10_000, 10_000)
  return { contentType: first.contentType, count: Math.min(infos.length, 100), lagMs }
}
