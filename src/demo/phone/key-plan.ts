import { KEYS, SAMPLES_PER_MS, placeOf, toneSample } from '../audio/tone-pair.ts'
import type { KeyTransport, PressOptions } from './phone-protocol.ts'

/** 20 ms at 8 kHz: what one RTP packet of this phone carries. */
export const PACKET_SAMPLES = 160

/** More keys in one go than any form asks for. */
export const KEYS_MAX = 256

/** The last packet of an event is sent three times (RFC 4733 section 2.5.1.4). */
const END_PACKETS = 3

/** Level that a telephone-event states, in -dBm0. */
const EVENT_VOLUME = 10

/** One key laid out on the sample clock of a call: [start, end) in samples of 8 kHz. */
export type PlannedKey = {
  readonly key: string
  readonly start: number
  readonly end: number
  readonly transport: KeyTransport
  readonly level: { readonly lowDbm0: number; readonly highDbm0: number }
}

/** Lays keys out one after the other from a start sample. Returns undefined when one of them is no key. */
export function planKeys(options: PressOptions, start: number): readonly PlannedKey[] | undefined {
  const keys = Array.from(options.keys)
  if (keys.length > KEYS_MAX || keys.some((key) => placeOf(key) === undefined)) return undefined
  const on = Math.max(1, Math.round((options.onMs ?? 100) * SAMPLES_PER_MS))
  const off = Math.max(0, Math.round((options.offMs ?? 100) * SAMPLES_PER_MS))
  const level = { lowDbm0: options.lowDbm0 ?? -10, highDbm0: options.highDbm0 ?? -8 }
  return keys.map((key, at) => {
    const from = start + at * (on + off)
    return { key, start: from, end: from + on, transport: options.transport, level }
  })
}

/** Adds the tones of the keys that sound in [at, at + audio.length) to the audio, in place. */
export function mixTones(audio: Int16Array, at: number, keys: readonly PlannedKey[]): void {
  for (const { key, start, end, transport, level } of keys) {
    if (transport === 'events' || transport === 'info') continue
    for (let sample = Math.max(at, start); sample < Math.min(at + audio.length, end); sample += 1) {
      const mixed = (audio[sample - at] ?? 0) + toneSample(key, sample - start, level)
      audio[sample - at] = Math.max(-32_768, Math.min(32_767, Math.round(mixed)))
    }
  }
}

/** A telephone-event packet to be: its timestamp is that of the event's first sample. */
export type EventPacket = { readonly start: number; readonly marker: boolean; readonly payload: Uint8Array }

/**
 * The telephone-event packets of the packet time [at, at + 160): one update, or three end packets
 * (RFC 4733 section 2.3).
 *
 *     0                   1                   2                   3
 *    +---------------+-+-+-----------+-------------------------------+
 *    |     event     |E|R|  volume   |          duration             |
 *    +---------------+-+-+-----------+-------------------------------+
 */
export function eventPackets(at: number, keys: readonly PlannedKey[]): readonly EventPacket[] {
  return keys.flatMap(({ key, start, end, transport }) => {
    if (transport === 'inband' || transport === 'info') return []
    const until = at + PACKET_SAMPLES
    if (start >= until || end <= at) return []
    const ended = end <= until
    const duration = Math.min(0xffff, (ended ? end : until) - start)
    const code = KEYS.findIndex((known) => known === key)
    const payload = Uint8Array.of(code, (ended ? 0x80 : 0) | EVENT_VOLUME, duration >> 8, duration & 0xff)
    const first = start >= at
    return Array.from({ length: ended ? END_PACKETS : 1 }, (_, copy) => ({
      start,
      marker: first && copy === 0,
      payload,
    }))
  })
}

/** True when audio is suspended in this packet time, as most gateways do while they send events only. */
export function audioSuspended(at: number, keys: readonly PlannedKey[]): boolean {
  return keys.some((key) => key.transport === 'events' && key.start < at + PACKET_SAMPLES && key.end > at)
}
