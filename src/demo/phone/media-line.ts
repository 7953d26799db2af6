import { randomInt } from 'node:crypto'
import { AudioEncoder } from '../audio/audio-encoder.ts'
import { seededRandom } from '../audio/seeded-random.ts'
import { nowUs } from '../monotonic.ts'
import { PACKET_SAMPLES, audioSuspended, eventPackets, mixTones, planKeys, type PlannedKey } from './key-plan.ts'
import type { MediaPort } from './media-port.ts'
import type { PacketLog } from './packet-log.ts'
import type { PressOptions, PressOutcome, PressedKey } from './phone-protocol.ts'
import { formatRtp, type RtpPacket } from './rtp-bytes.ts'
import { PAYLOAD_TYPES, type CodecName } from './sdp-text.ts'

/** Where, and in which codec, the line sends. */
export type SendTo = {
  readonly port: MediaPort
  readonly host: string
  readonly remotePort: number
  readonly codec: CodecName
  /** Payload type for telephone-event; undefined when the other side does not take events. */
  readonly eventPayloadType: number | undefined
}

const PACKET_US = 20_000
const SAMPLE_US = 125

/** Closer than this to the next packet the line looks at the clock in every turn: timers are only good to 1 ms. */
const WATCH_US = 1_500

/** After a longer standstill packets are left out instead of sent in one burst. */
const BURST_US = 200_000

/** Room noise at about -70 dBm0, so that silence is not digital silence. */
const NOISE_PEAK = 12

/**
 * The sending half of one call's media: a packet every 20 ms on an absolute clock that never drifts, with speech,
 * room noise and keys. The sample clock runs from the first start to close(), also while sending is suspended,
 * so sample n is always sent at startUs + n * 125 us.
 */
export class MediaLine {
  readonly #speech: Int16Array
  readonly #log: PacketLog
  readonly #onInfoKey: (key: string, onMs: number) => void
  readonly #noise = seededRandom(1)
  readonly #ssrc = randomInt(0x1_0000_0000)
  readonly #firstTimestamp = randomInt(0x1_0000_0000)
  #sequence = randomInt(0x1_0000)
  readonly #encoder = new AudioEncoder()
  #to: SendTo | undefined
  #startUs: number | undefined
  #sample = 0
  #spoken = 0
  #speaking = true
  #paused = true
  #keys: PlannedKey[] = []
  readonly #infoTold = new WeakSet<PlannedKey>()
  #pressed: { readonly end: number; readonly done: () => void }[] = []
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  constructor(options: {
    readonly speech: Int16Array
    readonly log: PacketLog
    readonly onInfoKey: (key: string, onMs: number) => void
  }) {
    this.#speech = options.speech
    this.#log = options.log
    this.#onInfoKey = options.onInfoKey
  }

  /** Sends here from the next packet on; undefined stops sending while the sample clock runs on. */
  direct(to: SendTo | undefined): void {
    if (to !== undefined) this.#paused = this.#to === undefined
    this.#to = to
    if (this.#startUs === undefined && to !== undefined) {
      this.#startUs = nowUs()
      this.#wait()
    }
  }

  speak(on: boolean): void {
    this.#speaking = on
  }

  /** Presses keys one after the other from the next packet on; resolves when the last one was let go. */
  press(options: PressOptions): Promise<PressOutcome> {
    const startUs = this.#startUs
    if (startUs === undefined) return Promise.resolve({ kind: 'no_call' })
    const after = Math.max(this.#sample, ...this.#keys.map((key) => key.end))
    const planned = planKeys(options, after)
    if (planned === undefined) return Promise.resolve({ kind: 'not_a_key' })
    const pressed = planned.map(({ key, start, end, transport }): PressedKey => {
      return { key, atUs: startUs + start * SAMPLE_US, onMs: (end - start) / 8, transport }
    })
    for (const key of pressed) this.#log.key(key)
    this.#keys.push(...planned)
    const end = Math.max(after, ...planned.map((key) => key.end))
    return new Promise((resolve) => {
      this.#pressed.push({ end, done: () => resolve({ kind: 'pressed', keys: pressed }) })
    })
  }

  /** Stops for good; keys that were still to come are given up. Safe to call twice. */
  close(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#to = undefined
    for (const { done } of this.#pressed) done()
    this.#pressed = []
  }

  #wait(): void {
    const dueUs = (this.#startUs ?? 0) + this.#sample * SAMPLE_US
    const leftUs = dueUs - nowUs()
    if (leftUs > WATCH_US) {
      this.#timer = setTimeout(() => this.#wait(), Math.max(1, Math.floor((leftUs - WATCH_US) / 1_000)))
    } else if (leftUs > 0) {
      this.#immediate = setImmediate(() => this.#wait())
    } else {
      if (leftUs < -BURST_US) this.#skip(Math.floor(-leftUs / PACKET_US))
      this.#tick()
      this.#wait()
    }
  }

  #skip(packets: number): void {
    this.#sample += packets * PACKET_SAMPLES
    this.#paused = true
  }

  #tick(): void {
    const at = this.#sample
    const audio = this.#audio()
    mixTones(audio, at, this.#keys)
    for (const planned of this.#keys) this.#tellInfo(planned, at)
    const to = this.#to
    if (to !== undefined) this.#sendAll(to, at, audio)
    this.#sample += PACKET_SAMPLES
    this.#keys = this.#keys.filter((key) => key.end > this.#sample)
    const over = this.#pressed.filter(({ end }) => end <= this.#sample)
    this.#pressed = this.#pressed.filter(({ end }) => end > this.#sample)
    for (const { done } of over) done()
  }

  /** A key whose packets were left out is told all the same, late: nothing of it is audio. */
  #tellInfo(planned: PlannedKey, at: number): void {
    const { key, start, end, transport } = planned
    if (transport !== 'info' || start >= at + PACKET_SAMPLES || this.#infoTold.has(planned)) return
    this.#infoTold.add(planned)
    this.#onInfoKey(key, (end - start) / 8)
  }

  #sendAll(to: SendTo, at: number, audio: Int16Array): void {
    const eventType = to.eventPayloadType
    const suspended = eventType !== undefined && audioSuspended(at, this.#keys)
    const encoded = this.#encoder.encode(audio, to.codec)
    if (!suspended) {
      this.#send(to, { payloadType: PAYLOAD_TYPES[to.codec], at, marker: this.#paused, payload: encoded })
    }
    this.#paused = suspended
    if (eventType === undefined) return
    for (const { start, marker, payload } of eventPackets(at, this.#keys)) {
      this.#send(to, { payloadType: eventType, at: start, marker, payload })
    }
  }

  #send(
    to: SendTo,
    content: {
      readonly payloadType: number
      readonly at: number
      readonly marker: boolean
      readonly payload: Uint8Array
    },
  ): void {
    const packet: RtpPacket = {
      payloadType: content.payloadType,
      marker: content.marker,
      ssrc: this.#ssrc,
      sequence: this.#sequence,
      timestamp: (this.#firstTimestamp + content.at) % 0x1_0000_0000,
      payload: content.payload,
    }
    this.#sequence = (this.#sequence + 1) % 0x1_0000
    const bytes = formatRtp(packet)
    const atUs = nowUs()
    to.port.send(bytes, { host: to.host, port: to.remotePort })
    this.#log.sent({ atUs, ...packet })
  }

  #audio(): Int16Array {
    const audio = new Int16Array(PACKET_SAMPLES)
    for (let at = 0; at < PACKET_SAMPLES; at += 1) audio[at] = Math.round((this.#noise() * 2 - 1) * NOISE_PEAK)
    if (!this.#speaking || this.#speech.length === 0) return audio
    for (let at = 0; at < PACKET_SAMPLES; at += 1) {
      const voice = this.#speech[(this.#spoken + at) % this.#speech.length] ?? 0
      audio[at] = Math.max(-32_768, Math.min(32_767, (audio[at] ?? 0) + voice))
    }
    this.#spoken = (this.#spoken + PACKET_SAMPLES) % this.#speech.length
    return audio
  }
}
