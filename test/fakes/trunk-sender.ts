import { encodeAlaw, encodeUlaw, type G711Law } from '../../src/cde/guard/g711.ts'
import { buildRtp } from '../../src/cde/guard/rtp-packet.ts'
import { dtmfTones } from './dtmf-tones.ts'

/** One press as a gateway sends it. Times in ms from the start of the sender's clock. */
export type SentPress = {
  readonly key: number
  readonly atMs: number
  /** How long the tone sounds in the audio; 0: not at all. */
  readonly toneMs: number
  /** null: no events. */
  readonly event: {
    /** When its first packet is sent, and what its timestamp says. */
    readonly sentMs: number
    readonly startMs: number
    readonly durationMs: number
  } | null
  readonly dbm0?: number
  readonly twistDb?: number
  readonly offset?: number
}

export type SentPacket = { readonly datagram: Buffer; readonly atMs: number }

export type SendingHabits = {
  readonly law?: G711Law
  readonly ptimeMs?: number
  readonly updateMs?: number
  readonly endPackets?: number
  readonly marker?: boolean
  /** New timestamps: on every packet of an event, or on the repetitions of its end. */
  readonly restamp?: 'each_packet' | 'end_packets'
  /** No audio packets while an event is sent. */
  readonly suspend?: boolean
  readonly payloadType?: number
  readonly lastMs?: number
  readonly ssrc?: number
  /** Speech or noise below the tones. */
  readonly background?: (at: number) => number
}

const FIRST_TIMESTAMP = 4_294_960_000
const FIRST_SEQUENCE = 65_500

/** The packets of a trunk in the order in which they are sent, on an 8 kHz clock that wraps early, as real ones may. */
export function sendPresses(presses: readonly SentPress[], habits: SendingHabits = {}): readonly SentPacket[] {
  const { law = 'ulaw', ptimeMs = 20, updateMs = 20, endPackets = 3, marker = true, payloadType = 101 } = habits
  const lastMs = habits.lastMs ?? Math.max(0, ...presses.map(endOf)) + 400
  const samples = audioOf(presses, lastMs, habits.background)
  type Unnumbered = { readonly atMs: number; readonly order: number; readonly make: (sequence: number) => Buffer }
  const packets: Unnumbered[] = []
  const ssrc = habits.ssrc ?? 0x1234_5678
  const isEventAt = (atMs: number): boolean =>
    presses.some(
      ({ event }) => event !== null && atMs + ptimeMs > event.sentMs && atMs < event.sentMs + event.durationMs,
    )
  for (let atMs = 0; atMs + ptimeMs <= lastMs; atMs += ptimeMs) {
    if (habits.suspend === true && isEventAt(atMs)) continue
    const part = samples.subarray(atMs * 8, (atMs + ptimeMs) * 8)
    const payload = law === 'ulaw' ? encodeUlaw(part) : encodeAlaw(part)
    packets.push({
      // A packet is sent when its last sample is there.
      atMs: atMs + ptimeMs,
      order: 0,
      make: (sequence) => rtp({ ssrc, sequence, timestamp: atMs * 8, payloadType: law === 'ulaw' ? 0 : 8, payload }),
    })
  }
  for (const { key, event } of presses) {
    if (event === null) continue
    const updates = Math.max(1, Math.ceil(event.durationMs / updateMs))
    for (let update = 0; update < updates + endPackets; update += 1) {
      const isEnd = update >= updates
      const sentMs = event.sentMs + Math.min(update, updates) * updateMs
      const restamped = habits.restamp === 'each_packet' || (habits.restamp === 'end_packets' && update > updates)
      const shiftMs = restamped ? (habits.restamp === 'each_packet' ? update * updateMs : (update - updates) * 20) : 0
      const wholeMs = isEnd ? event.durationMs : Math.min(event.durationMs, (update + 1) * updateMs)
      const duration = habits.restamp === 'each_packet' ? updateMs * 8 : wholeMs * 8
      const payload = Uint8Array.of(key, (isEnd ? 0x80 : 0) | 10, duration >> 8, duration & 0xff)
      const timestamp = (event.startMs + shiftMs) * 8
      const first = update === 0 && marker
      packets.push({
        atMs: sentMs,
        order: 1 + update,
        make: (sequence) => rtp({ ssrc, sequence, timestamp, payloadType, payload, marker: first }),
      })
    }
  }
  packets.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
  return packets.map(({ atMs, make }, index) => ({ atMs, datagram: make((FIRST_SEQUENCE + index) & 0xffff) }))
}

function endOf(press: SentPress): number {
  const event = press.event === null ? 0 : press.event.sentMs + press.event.durationMs
  return Math.max(press.atMs + press.toneMs, event)
}

function rtp(packet: {
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly payloadType: number
  readonly payload: Uint8Array
  readonly marker?: boolean
}): Buffer {
  return buildRtp({ ...packet, marker: packet.marker === true, timestamp: (FIRST_TIMESTAMP + packet.timestamp) >>> 0 })
}

function audioOf(presses: readonly SentPress[], lastMs: number, background?: (at: number) => number): Int16Array {
  const samples = new Int16Array(lastMs * 8)
  for (const { key, atMs, toneMs, dbm0 = -10, twistDb = 2, offset = 0 } of presses) {
    if (toneMs === 0) continue
    const tone = dtmfTones([{ key, onMs: toneMs, offMs: 0, dbm0, twistDb, offset }], { leadMs: 0 })
    samples.set(tone.subarray(0, toneMs * 8), atMs * 8)
  }
  if (background !== undefined)
    for (let at = 0; at < samples.length; at += 1)
      samples[at] = Math.max(-32_124, Math.min(32_124, (samples[at] ?? 0) + Math.round(background(at))))
  return samples
}
