import { buildRtp } from '../../src/cde/guard/rtp-packet.ts'
import type { PayerPacket } from './payer-stream.ts'

/** One packet before it is bytes, so that a test can spoil it first. Times in milliseconds, timestamps in units. */
export type LinePacket = {
  readonly atMs: number
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly marker: boolean
  readonly payloadType: number
  /** null: 20 ms of u-law silence. */
  readonly event: { readonly key: number; readonly end: boolean; readonly duration: number } | null
  /** Which press of the sender it belongs to; -1 for audio. */
  readonly press: number
}

export type EventSender = {
  readonly keys: readonly number[]
  readonly startMs?: number
  readonly onMs?: number
  readonly offMs?: number
  readonly everyMs?: number
  readonly endCopies?: number
  /** Duration of a press's first packet; the update interval if absent. */
  readonly firstMs?: number
  /** Units of the event's clock for a millisecond: 8, or 48 beside Opus. */
  readonly clock?: number
  readonly payloadType?: number
  /** Audio between the presses, as most senders have it, all the time, or none. */
  readonly audio?: 'between' | 'always' | 'none'
}

/** A telephone that sends its keys as RFC 4733 says: updates while a key is down, then the end three times. */
export function eventPackets(sender: EventSender): readonly LinePacket[] {
  const { keys, startMs = 1_000, onMs = 100, offMs = 100, everyMs = 20, endCopies = 3 } = sender
  const { firstMs = everyMs, clock = 8, payloadType = 101, audio = 'between' } = sender
  const untilMs = 200 + keys.length * (onMs + offMs) + 200
  const planned: Omit<LinePacket, 'sequence'>[] = []
  const base = { ssrc: 0x51, marker: false, payloadType }
  keys.forEach((key, press) => {
    const sinceMs = 200 + press * (onMs + offMs)
    const timestamp = sinceMs * clock
    for (let ms = 0; ms < onMs; ms += everyMs) {
      const duration = Math.min(0xffff, (ms === 0 ? firstMs : Math.min(onMs, ms + everyMs)) * clock)
      const event = { key, end: false, duration }
      planned.push({ ...base, atMs: startMs + sinceMs + ms, timestamp, marker: ms === 0, event, press })
    }
    const event = { key, end: true, duration: Math.min(0xffff, onMs * clock) }
    for (let copy = 0; copy < endCopies; copy += 1)
      planned.push({ ...base, atMs: startMs + sinceMs + onMs, timestamp, event, press })
  })
  for (let ms = 0; ms < untilMs && audio !== 'none'; ms += 20) {
    const isKeyDown = ms >= 200 && (ms - 200) % (onMs + offMs) < onMs && ms < 200 + keys.length * (onMs + offMs)
    if (audio === 'between' && isKeyDown) continue
    planned.push({ ...base, atMs: startMs + ms, timestamp: ms * 8, payloadType: 0, event: null, press: -1 })
  }
  return planned
    .sort((a, b) => a.atMs - b.atMs)
    .map((packet, index) => ({ ...packet, sequence: (65_500 + index) & 0xffff }))
}

export function toDatagrams(packets: readonly LinePacket[]): readonly PayerPacket[] {
  return packets.map(({ atMs, ssrc, sequence, timestamp, marker, payloadType, event }) => {
    const payload =
      event === null
        ? Buffer.alloc(160, 0xff)
        : Uint8Array.of(event.key, (event.end ? 0x80 : 0) | 10, event.duration >> 8, event.duration & 0xff)
    return {
      atMs,
      datagram: buildRtp({ marker, payloadType, sequence, timestamp: (timestamp + 0xffff_f000) >>> 0, ssrc, payload }),
    }
  })
}
