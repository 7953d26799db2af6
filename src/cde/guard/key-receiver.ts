import { EventReceiver } from './event-receiver.ts'
import { decodeAlaw, decodeUlaw, PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE } from './g711.ts'
import { parseInfo } from './info-receiver.ts'
import { KeyMerge, type CountedKey } from './key-merge.ts'
import { KEY_MAX, type KeyPress } from './key-press.ts'
import type { RtpPacket } from './rtp-packet.ts'
import { RtpTimeline, type RtpPlace } from './rtp-timeline.ts'
import { canBeEvents, parseRed, parseTelephoneEvents, type TelephoneEvent } from './telephone-event-packet.ts'
import { ToneReceiver } from './tone-receiver.ts'

/** More G.711 than any packet holds; keeps one scratch for all decoding. */
const SAMPLES_MAX = 1_500

/**
 * Reads keys from all that the payer sends: tones in G.711, telephone events on any payload number without a fixed meaning, both inside
 * RED (RFC 2198), and SIP INFO. Each key is told once.
 */
export class KeyReceiver {
  readonly #timeline = new RtpTimeline()
  readonly #merge: KeyMerge
  readonly #tones: ToneReceiver
  readonly #events: EventReceiver
  readonly #samples = new Int16Array(SAMPLES_MAX)
  /** Latest of all that was heard of a key, or -Infinity. */
  #heardMs = -Infinity
  /** When the last INFO came. */
  #infoMs = -Infinity
  #nowMs = 0

  constructor(counted: (key: CountedKey) => void) {
    this.#merge = new KeyMerge(counted)
    const pressed = (press: KeyPress) => this.#merge.take(press, this.#nowMs)
    this.#tones = new ToneReceiver(pressed)
    this.#events = new EventReceiver(this.#timeline, pressed)
  }

  /** One RTP packet of the payer. */
  accept(packet: RtpPacket, nowMs: number): void {
    this.#nowMs = nowMs
    this.#take(packet, packet.payloadType, packet.payload, nowMs)
    this.due(nowMs)
  }

  /** The body of one SIP INFO. Returns whether it held a key. */
  info(body: Uint8Array, relay: boolean, nowMs: number): boolean {
    const parsed = parseInfo(body, relay)
    if (parsed.kind === 'refused') return false
    this.#heardMs = nowMs
    const { key, durationMs } = parsed
    // Senders differ in whether they wait for the key to be let go: the press is taken to lie before its INFO. But keys of
    // one hand follow each other in the order of their INFOs, whatever length each of them is given.
    const startMs = Math.max(nowMs - durationMs, this.#infoMs)
    this.#infoMs = nowMs
    this.#merge.take({ key, transport: 'info', startMs, endMs: nowMs, isDown: false, heardMs: nowMs }, nowMs)
    return true
  }

  /** Counts what has waited long enough for a second telling. */
  due(nowMs: number): void {
    this.#merge.due(nowMs)
  }

  dueMs(): number | null {
    return this.#merge.dueMs()
  }

  isKeyDown(nowMs: number): boolean {
    return this.#merge.isKeyDown(nowMs)
  }

  /** When anything of a key was last heard, milliseconds of the guard's clock, or -Infinity. */
  get heardMs(): number {
    return Math.max(this.#heardMs, this.#tones.heardMs)
  }

  /** Overwrites the audio and the keys that are held. */
  wipe(): void {
    this.#tones.wipe()
    this.#events.wipe()
    this.#merge.wipe()
    this.#samples.fill(0)
  }

  #take(place: RtpPlace, payloadType: number, payload: Buffer, nowMs: number, isInRed = false): void {
    if (payloadType === PCMU_PAYLOAD_TYPE || payloadType === PCMA_PAYLOAD_TYPE) {
      if (payload.length > SAMPLES_MAX) return
      const decode = payloadType === PCMU_PAYLOAD_TYPE ? decodeUlaw : decodeAlaw
      decode(payload, this.#samples)
      const startMs = isInRed ? this.#timeline.placeEvent(place, nowMs, 0) : this.#timeline.placeAudio(place, nowMs)
      this.#tones.accept(this.#samples, startMs, nowMs, payload.length)
      return
    }
    if (!canBeEvents(payloadType)) return
    const parsed = parseTelephoneEvents(payload)
    if (parsed.kind === 'events' && parsed.events.every((event) => event.event <= EVENT_MAX)) {
      this.#takeEvents(place, parsed.events, nowMs)
      return
    }
    if (isInRed) return
    const red = parseRed(payload)
    if (red.kind === 'refused') return
    for (const block of red.blocks) {
      const timestamp = (place.timestamp - block.timestampOffset) >>> 0
      const { ssrc, sequence } = place
      this.#take({ ssrc, sequence, timestamp }, block.payloadType, block.payload, nowMs, !block.primary)
    }
  }

  /** RFC 4733 section 2.5.1.4: each further event starts where the one before it ended. */
  #takeEvents(place: RtpPlace, events: readonly TelephoneEvent[], nowMs: number): void {
    let { timestamp } = place
    for (const event of events) {
      if (event.event <= KEY_MAX) this.#heardMs = nowMs
      this.#events.accept({ ssrc: place.ssrc, sequence: place.sequence, timestamp }, event, nowMs)
      timestamp = (timestamp + event.duration) >>> 0
    }
  }
}

/** Keys and flash; four bytes that say anything else are no telephone event of a payer. */
const EVENT_MAX = KEY_MAX + 1
