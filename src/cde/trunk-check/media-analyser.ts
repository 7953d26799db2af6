import type { Address } from '../../wire/guard-protocol.ts'
import type { CallFigures, MediaFigures, PressFigures } from '../../wire/trunk-check-protocol.ts'
import { decodeAlaw, decodeUlaw, PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE, type G711Law } from '../guard/g711.ts'
import { parseInfo } from '../guard/info-receiver.ts'
import { KEY_MAX } from '../guard/key-press.ts'
import { parseRtp, RTP_DATAGRAM_BYTES_MAX, type RtpPacket } from '../guard/rtp-packet.ts'
import {
  DYNAMIC_PAYLOAD_TYPE_MIN,
  parseRed,
  parseTelephoneEvents,
  TELEPHONE_EVENT_BYTES,
} from '../guard/telephone-event-packet.ts'
import { ArrivalClock } from './arrival-clock.ts'
import { AudioTape } from './audio-tape.ts'
import { BelievedSources, type Arrival } from './believed-sources.ts'
import { EventTellings, median, type EventTelling } from './event-tellings.ts'
import { PressBook } from './press-book.ts'
import { SenderClock } from './sender-clock.ts'
import { SequenceCounter } from './sequence-counter.ts'
import { ToneScan } from './tone-scan.ts'
import { findSpans } from './tone-spans.ts'

export type Agreement = {
  readonly remote: Address
  readonly law: G711Law
  /** Payload types of telephone-event. */
  readonly events: readonly number[]
}

/** RFC 3389, and the number that drafts of it used. */
const COMFORT_NOISE_TYPES: readonly number[] = [13, 19]
const SAMPLES_PER_MS = 8
/** Twenty seconds of 20 ms: what a press and its surroundings take. */
const AUDIO_PACKETS_REMEMBERED = 1_024
const TYPES_MAX = 8
const OTHER_TYPES_MAX = 16
/** Flash; what names more than that is no telephone event of a caller. */
const EVENT_MAX = KEY_MAX + 1
const PERCENTILE = 0.95

type AudioPacket = {
  readonly ssrc: number
  readonly sequence: number
  readonly startMs: number
  readonly endMs: number
  readonly nowMs: number
}

/** Everything that a check hears of the far end, made into figures. It keeps seconds of audio, and no key longer. */
export class MediaAnalyser {
  readonly #told: (press: PressFigures) => void
  readonly #hearing: () => void
  readonly #sources = new BelievedSources((arrival) => this.#accept(arrival))
  readonly #counters = new Map<number, SequenceCounter>()
  readonly #arrivals = new Map<number, ArrivalClock>()
  readonly #timeline = new SenderClock()
  readonly #tape = new AudioTape()
  readonly #scan = new ToneScan(this.#tape, (tone) => this.#book.takeTone(tone, this.#nowMs))
  readonly #events = new EventTellings((event) => this.#book.takeEvent(event))
  readonly #book: PressBook
  readonly #samples = new Int16Array(RTP_DATAGRAM_BYTES_MAX)
  readonly #lengths = new Map<number, number>()
  readonly #eventTypes = new Set<number>()
  readonly #otherTypes = new Set<number>()
  #audio: AudioPacket[] = []
  #agreement: Agreement | null = null
  #agreedMs = 0
  #firstMs: number | null = null
  #law: G711Law | null = null
  #comfortNoise = false
  #redundancy = false
  #nowMs = 0

  constructor(events: { readonly press: (press: PressFigures) => void; readonly hearing: () => void }) {
    this.#hearing = events.hearing
    this.#told = events.press
    this.#book = new PressBook(
      {
        spans: (key, { startMs, endMs }) =>
          findSpans(this.#tape, key, {
            start: Math.max(this.#tape.tail, Math.round(startMs * SAMPLES_PER_MS)),
            end: Math.min(this.#tape.head, Math.round(endMs * SAMPLES_PER_MS)),
          }),
        eventSentMs: (event) => this.#eventSentMs(event),
        arrivedMs: (sample) => this.#arrivedMs(sample),
      },
      (press) => this.#told(press),
    )
  }

  /** What the two sides agreed; packets before the first agreement are not heard. */
  agree(agreement: Agreement, nowMs: number): void {
    if (this.#agreement === null) this.#agreedMs = nowMs
    this.#agreement = agreement
    this.#sources.describe(agreement.remote)
  }

  /** One datagram at the RTP port. Never throws. */
  receive(datagram: Buffer, from: Address, nowMs: number): void {
    if (this.#agreement === null) return
    const parsed = parseRtp(datagram)
    if (parsed.kind === 'refused') {
      if (parsed.code !== 'rtcp') this.#sources.strange()
      return
    }
    this.#sources.take(parsed.packet, from, nowMs)
  }

  /** The body of one SIP INFO. False when it held no key. */
  info(body: Uint8Array, relay: boolean, nowMs: number): boolean {
    const parsed = parseInfo(body, relay)
    if (parsed.kind === 'refused') return false
    const contentType = relay ? 'application/dtmf-relay' : 'application/dtmf'
    this.#book.takeInfo({
      key: parsed.key,
      durationMs: parsed.durationMs,
      atMs: this.#timeline.here(nowMs),
      heardMs: nowMs,
      contentType,
    })
    return true
  }

  /** Call it every few tens of milliseconds: presses are told from here. */
  due(nowMs: number): void {
    this.#nowMs = nowMs
    this.#scan.run()
    this.#book.due(nowMs)
  }

  /** Tells the last presses and overwrites the audio. */
  finish(nowMs: number): void {
    this.#nowMs = nowMs
    this.#scan.run(true)
    this.#book.due(Infinity)
    this.#tape.wipe()
    this.#samples.fill(0)
    this.#audio = []
  }

  figures(): Omit<CallFigures, 'rtcp'> {
    const offsets = this.#book.offsets
    const worst = offsets.reduce((one, other) => (Math.abs(other) > Math.abs(one) ? other : one), 0)
    return {
      media: this.#mediaFigures(),
      offsetPercent: offsets.length === 0 ? null : { median: tenth(median(offsets)), worst: tenth(worst) },
      strangers: Math.min(this.#sources.strangers, 10_000_000),
    }
  }

  #mediaFigures(): MediaFigures | null {
    if (this.#firstMs === null) return null
    const all = [...this.#counters.values()].map((counter) => counter.figures())
    const sum = (of: (figures: (typeof all)[number]) => number): number =>
      all.reduce((total, figures) => total + of(figures), 0)
    const packets = sum((figures) => figures.packets)
    const lost = sum((figures) => figures.lost)
    const clocks = [...this.#arrivals.values()]
    const usual = [...this.#lengths].reduce((one, other) => (other[1] > one[1] ? other : one), [0, 0])[0]
    return {
      packets,
      lost,
      lostPercent: tenth((100 * lost) / Math.max(1, packets + lost)),
      lostRunMax: Math.max(0, ...all.map((figures) => figures.lostRunMax)),
      duplicates: sum((figures) => figures.duplicates),
      reordered: sum((figures) => figures.reordered),
      jitterMs: tenth(Math.max(0, ...clocks.map((clock) => clock.jitterMs))),
      latePercentile95Ms: tenth(Math.max(0, ...clocks.map((clock) => clock.lateMs(PERCENTILE)))),
      ptimeMs: usual === 0 ? null : tenth(usual / SAMPLES_PER_MS),
      law: this.#law,
      eventPayloadTypes: [...this.#eventTypes],
      comfortNoise: this.#comfortNoise,
      redundancy: this.#redundancy,
      otherPayloadTypes: [...this.#otherTypes],
      sources: this.#sources.count,
      asDescribed: this.#sources.asDescribed,
      firstPacketMs: Math.max(0, Math.min(600_000, Math.round(this.#firstMs - this.#agreedMs))),
    }
  }

  #accept({ packet, nowMs }: Arrival): void {
    if (this.#firstMs === null) {
      this.#firstMs = nowMs
      this.#hearing()
    }
    const counter = this.#counters.get(packet.ssrc) ?? new SequenceCounter(packet.sequence)
    this.#counters.set(packet.ssrc, counter)
    const isNew = counter.take(packet.sequence)
    // Some repeat the end of an event under its old sequence number: no new packet, but an end.
    if (!isNew && !isEndOfEvent(packet)) return
    this.#read(packet, packet.payloadType, nowMs)
  }

  #read(packet: RtpPacket, payloadType: number, nowMs: number, isInner = false): void {
    const { payload } = packet
    if (payloadType === PCMU_PAYLOAD_TYPE || payloadType === PCMA_PAYLOAD_TYPE) {
      if (!isInner || packet.payload.length > 0) this.#hear(packet, payloadType, nowMs)
    } else if (COMFORT_NOISE_TYPES.includes(payloadType)) this.#comfortNoise = true
    else if (this.#readEvents(packet, payloadType, nowMs)) return
    else if (isInner || !this.#readRed(packet, nowMs)) {
      if (payload.length > 0 && this.#otherTypes.size < OTHER_TYPES_MAX) this.#otherTypes.add(payloadType)
    }
  }

  #hear(packet: RtpPacket, payloadType: number, nowMs: number): void {
    const { payload, ssrc, sequence } = packet
    if (payload.length === 0) return
    this.#law = payloadType === PCMU_PAYLOAD_TYPE ? 'ulaw' : 'alaw'
    const samples = (this.#law === 'ulaw' ? decodeUlaw : decodeAlaw)(payload, this.#samples).subarray(0, payload.length)
    const startMs = this.#timeline.placeAudio(packet, nowMs)
    this.#tape.write(samples, Math.round(startMs * SAMPLES_PER_MS))
    const endMs = startMs + payload.length / SAMPLES_PER_MS
    this.#audio.push({ ssrc, sequence, startMs, endMs, nowMs })
    if (this.#audio.length > 2 * AUDIO_PACKETS_REMEMBERED) this.#audio = this.#audio.slice(-AUDIO_PACKETS_REMEMBERED)
    this.#lengths.set(payload.length, (this.#lengths.get(payload.length) ?? 0) + 1)
    const clock = this.#arrivals.get(ssrc) ?? new ArrivalClock()
    this.#arrivals.set(ssrc, clock)
    clock.take(packet.timestamp, nowMs)
  }

  /** Events on the numbers that were agreed, and on any other dynamic one whose packets look like them. */
  #readEvents(packet: RtpPacket, payloadType: number, nowMs: number): boolean {
    const isAgreed = this.#agreement?.events.includes(payloadType) === true
    if (!isAgreed && payloadType < DYNAMIC_PAYLOAD_TYPE_MIN) return false
    const parsed = parseTelephoneEvents(packet.payload)
    if (parsed.kind === 'refused' || parsed.events.some(({ event }) => event > EVENT_MAX)) return false
    if (this.#eventTypes.size < TYPES_MAX) this.#eventTypes.add(payloadType)
    const startMs = this.#timeline.placeEvent(packet, nowMs)
    const { ssrc, sequence, marker, timestamp } = packet
    // Further events of a packet follow the first (RFC 4733 section 2.5.1.4).
    let behind = 0
    for (const event of parsed.events) {
      if (event.event <= KEY_MAX) {
        const at = { timestamp: (timestamp + behind) >>> 0, startMs: startMs + behind / SAMPLES_PER_MS }
        this.#events.take({ ssrc, sequence, payloadType, marker, nowMs, event, ...at })
      }
      behind += event.duration
    }
    return true
  }

  /** The primary block alone: what is redundant was heard before, or counts as lost. */
  #readRed(packet: RtpPacket, nowMs: number): boolean {
    if (packet.payloadType < DYNAMIC_PAYLOAD_TYPE_MIN) return false
    const red = parseRed(packet.payload)
    const primary = red.kind === 'red' ? red.blocks.at(-1) : undefined
    if (red.kind === 'refused' || red.blocks.length < 2 || primary === undefined) return false
    this.#redundancy = true
    this.#read({ ...packet, payload: primary.payload }, primary.payloadType, nowMs, true)
    return true
  }

  #eventSentMs(event: EventTelling): { readonly atMs: number; readonly latestMs: number } | null {
    let before: AudioPacket | null = null
    for (const packet of this.#audio) {
      const isBefore =
        packet.ssrc === event.ssrc
          ? ((packet.sequence - event.firstSequence) << 16) >> 16 < 0
          : packet.nowMs <= event.firstMs
      if (isBefore && (before === null || packet.endMs > before.endMs)) before = packet
    }
    if (before === null) return null
    const latestMs = before.endMs + (before.endMs - before.startMs)
    const laterMs = Math.max(0, event.firstMs - before.nowMs)
    return { atMs: Math.min(latestMs, before.endMs + laterMs), latestMs }
  }

  #arrivedMs(sample: number): number | null {
    const atMs = sample / SAMPLES_PER_MS
    return this.#audio.find((packet) => packet.startMs <= atMs && atMs < packet.endMs)?.nowMs ?? null
  }
}

function isEndOfEvent({ payloadType, payload }: RtpPacket): boolean {
  return (
    payloadType >= DYNAMIC_PAYLOAD_TYPE_MIN && payload.length === TELEPHONE_EVENT_BYTES && (payload[1] ?? 0) >> 7 === 1
  )
}

function tenth(value: number): number {
  return Math.round(Math.min(100_000, value) * 10) / 10 + 0
}
