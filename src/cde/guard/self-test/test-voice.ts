import { linearToUlaw } from '../g711.ts'
import { TELEPHONE_EVENT_BYTES } from '../telephone-event-packet.ts'
import type { PlannedKey } from './canary-keys.ts'

export const PACKET_SAMPLES = 160

/** RFC 4733 section 2.5.1.4: the last packet of an event is sent three times. */
const END_PACKETS = 3
/** ITU-T Q.23; a key's place is its row and its column. */
const ROWS_HZ = [697, 770, 852, 941] as const
const COLUMNS_HZ = [1209, 1336, 1477, 1633] as const
const PLACES = [13, 0, 1, 2, 4, 5, 6, 8, 9, 10] as const
/** -10 dBm0 a frequency, as telephones send: 0 dBm0 is a peak of 22,300 in 16-bit G.711. */
const TONE_PEAK = 7_050
/** -32 dBm0: a voice in the background, against which keys must still be heard and masked. */
const VOICE_RMS = 400
const VOICE_SAMPLES = 8_192
/** Syllables: four times a second the voice swells and falls. */
const SYLLABLE_SAMPLES = 2_048
/** RFC 4733 section 2.3: the level of the tone, as -dBm0. */
const EVENT_VOLUME = 10

/** Row and column of a digit key. */
export function placeOf(key: number): { readonly row: number; readonly column: number } {
  const place = PLACES[key] ?? 0
  return { row: place >> 2, column: place & 3 }
}

/** Frequencies in the order of placeOf. */
export const KEY_FREQUENCIES = { rows: ROWS_HZ, columns: COLUMNS_HZ }

export type TestPayload = { readonly payloadType: 0 | 101; readonly timestamp: number; readonly payload: Buffer }

/** The sound of one telephone of a self-test: noise that swells like speech, and the keys that were planned. */
export class TestVoice {
  readonly #voice = new Float64Array(VOICE_SAMPLES)
  #keys: readonly PlannedKey[] = []

  /** The seed is a 32-bit number. */
  constructor(seed: number) {
    const draw = xorshift(seed)
    let smooth = 0
    for (let index = 0; index < VOICE_SAMPLES; index += 1) {
      const noise = draw() + draw() + draw() + draw() - 2
      smooth = 0.6 * smooth + noise
      const swell = 0.55 - 0.45 * Math.cos((2 * Math.PI * index) / SYLLABLE_SAMPLES)
      this.#voice[index] = smooth * swell * VOICE_RMS * 2
    }
  }

  plan(keys: readonly PlannedKey[]): void {
    this.#keys = keys
  }

  /** What is sent for the packet time `index`: audio, event packets, or both. */
  packets(index: number): readonly TestPayload[] {
    const from = index * PACKET_SAMPLES
    const events = this.#keys.flatMap((key) => eventsOf(key, from))
    const isEventOnly = this.#keys.some((key) => key.transport === 'event' && overlaps(key, from))
    return isEventOnly ? events : [{ payloadType: 0, timestamp: from, payload: this.audio(index) }, ...events]
  }

  /** The u-law audio of a packet time. */
  audio(index: number): Buffer {
    const from = index * PACKET_SAMPLES
    const sounding = this.#keys.filter((key) => key.transport !== 'event' && overlaps(key, from))
    return Buffer.from(
      Uint8Array.from({ length: PACKET_SAMPLES }, (_, offset) => {
        const at = from + offset
        let sample = this.#voice[at % VOICE_SAMPLES] ?? 0
        for (const key of sounding) sample += toneOf(key, at)
        return linearToUlaw(Math.round(sample))
      }),
    )
  }
}

function overlaps(key: PlannedKey, from: number): boolean {
  return key.start < from + PACKET_SAMPLES && key.start + key.samples > from
}

function toneOf(key: PlannedKey, at: number): number {
  if (at < key.start || at >= key.start + key.samples) return 0
  const { row, column } = placeOf(key.key)
  const angle = (2 * Math.PI * (at - key.start)) / 8_000
  return TONE_PEAK * (Math.sin(angle * (ROWS_HZ[row] ?? 0)) + Math.sin(angle * (COLUMNS_HZ[column] ?? 0)))
}

/** An update for each packet time in which the key is down, and at its end the last one three times. */
function eventsOf(key: PlannedKey, from: number): readonly TestPayload[] {
  if (key.transport === 'tone' || !overlaps(key, from)) return []
  const isEnd = key.start + key.samples <= from + PACKET_SAMPLES
  const duration = Math.min(key.start + key.samples, from + PACKET_SAMPLES) - key.start
  const payload = Buffer.alloc(TELEPHONE_EVENT_BYTES)
  payload[0] = key.key
  payload[1] = (isEnd ? 0x80 : 0) | EVENT_VOLUME
  payload.writeUInt16BE(duration, 2)
  return Array.from({ length: isEnd ? END_PACKETS : 1 }, () => ({ payloadType: 101, timestamp: key.start, payload }))
}

/** Marsaglia's xorshift32: 0 up to 1. */
function xorshift(seed: number): () => number {
  let state = seed >>> 0 || 0x9e3779b9
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 4_294_967_296
  }
}
