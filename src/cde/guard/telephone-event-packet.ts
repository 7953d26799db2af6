/**
 * Telephone events, RFC 4733 section 2.3, and the redundancy that may wrap them, RFC 2198 section 3.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------+-+-+-----------+-------------------------------+
 *     |     event     |E|R|  volume   |           duration            |
 *     +---------------+-+-+-----------+-------------------------------+
 */
export type TelephoneEvent = {
  /** 0 to 9 digits, 10 star, 11 pound, 12 to 15 A to D, 16 flash; others are not keys (RFC 4733 section 3.2). */
  readonly event: number
  readonly end: boolean
  /** Level of the tone as -dBm0, 0 to 63. */
  readonly volume: number
  /** From the packet's RTP timestamp on, in its clock's units. */
  readonly duration: number
}

export type TelephoneEventRefusal = 'too_short' | 'not_whole_events' | 'too_many_events'

export type TelephoneEventParse =
  | { readonly kind: 'events'; readonly events: readonly TelephoneEvent[] }
  | { readonly kind: 'refused'; readonly code: TelephoneEventRefusal }

export const TELEPHONE_EVENT_BYTES = 4

/** The usual number, though any dynamic one may be negotiated (RFC 3551 section 3: 96 to 127). */
export const TELEPHONE_EVENT_PAYLOAD_TYPE = 101
export const DYNAMIC_PAYLOAD_TYPE_MIN = 96

/** Numbers that no table names (RFC 3551 table 4 and 5) may be negotiated too, where 32 are not enough; 72 to 76 are RTCP's. */
export function canBeEvents(payloadType: number): boolean {
  return payloadType >= 35 && (payloadType < 72 || payloadType > 76)
}

/** The highest event that is a key of a telephone: 0 to 9, star, pound, A to D. */
export const KEY_EVENT_MAX = 15

/** RFC 4733 section 2.5.1.4: later events follow the first in one packet; five keys in one are more than any sender packs. */
export const EVENTS_PER_PACKET_MAX = 5

/** Reads the payload of an event packet: the first event belongs to the packet's timestamp, each next to the end of the one before. */
export function parseTelephoneEvents(payload: Uint8Array): TelephoneEventParse {
  if (payload.length < TELEPHONE_EVENT_BYTES) return { kind: 'refused', code: 'too_short' }
  if (payload.length % TELEPHONE_EVENT_BYTES !== 0) return { kind: 'refused', code: 'not_whole_events' }
  if (payload.length > EVENTS_PER_PACKET_MAX * TELEPHONE_EVENT_BYTES)
    return { kind: 'refused', code: 'too_many_events' }
  const events: TelephoneEvent[] = []
  for (let start = 0; start < payload.length; start += TELEPHONE_EVENT_BYTES) {
    const flags = payload[start + 1] ?? 0
    events.push({
      event: payload[start] ?? 0,
      end: (flags & 0x80) !== 0,
      volume: flags & 0x3f,
      duration: ((payload[start + 2] ?? 0) << 8) | (payload[start + 3] ?? 0),
    })
  }
  return { kind: 'events', events }
}

/**
 * One block of a RED packet. Header of each redundant block, then one byte for the primary, then the data in order:
 *
 *     |1|  block PT   |      timestamp offset     |   block length    |   four bytes, redundant
 *     |0|  block PT   |                                                 one byte, primary, last
 */
export type RedBlock = {
  readonly payloadType: number
  /** To be taken from the packet's timestamp; 0 for the primary. */
  readonly timestampOffset: number
  readonly primary: boolean
  /** A view into the packet's payload. */
  readonly payload: Buffer
}

export type RedRefusal = 'too_short' | 'too_many_blocks' | 'block_past_end'

export type RedParse =
  | { readonly kind: 'red'; readonly blocks: readonly RedBlock[] }
  | { readonly kind: 'refused'; readonly code: RedRefusal }

/** RFC 4733 section 2.6 speaks of five earlier events; real-time text takes two. */
export const RED_BLOCKS_MAX = 8

/** Unwraps RED, the oldest block first and the primary last. A block of RED inside RED stays as it is. */
export function parseRed(payload: Buffer): RedParse {
  const headers: { payloadType: number; timestampOffset: number; length: number }[] = []
  let at = 0
  for (;;) {
    const first = payload[at]
    if (first === undefined) return { kind: 'refused', code: 'too_short' }
    if (headers.length === RED_BLOCKS_MAX) return { kind: 'refused', code: 'too_many_blocks' }
    if ((first & 0x80) === 0) {
      headers.push({ payloadType: first & 0x7f, timestampOffset: 0, length: -1 })
      at += 1
      break
    }
    if (at + 4 > payload.length) return { kind: 'refused', code: 'too_short' }
    const bits = payload.readUIntBE(at + 1, 3)
    headers.push({ payloadType: first & 0x7f, timestampOffset: bits >> 10, length: bits & 0x3ff })
    at += 4
  }
  const blocks: RedBlock[] = []
  for (const { payloadType, timestampOffset, length } of headers) {
    const primary = length === -1
    const end = primary ? payload.length : at + length
    if (end > payload.length) return { kind: 'refused', code: 'block_past_end' }
    blocks.push({ payloadType, timestampOffset, primary, payload: payload.subarray(at, end) })
    at = end
  }
  return { kind: 'red', blocks }
}
