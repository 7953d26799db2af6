import { buildRtp } from '../../src/cde/guard/rtp-packet.ts'
import { dtmfTones, ulawPackets, type Tone } from './dtmf-tones.ts'

/** How keys are sent: as events, as tones in the audio, or as both, the tone leading by some milliseconds. */
export type KeyTransport = 'events' | 'inband' | 'both'

export type PayerPacket = { readonly atMs: number; readonly datagram: Buffer }

const PTIME_MS = 20
const EVENT_PAYLOAD_TYPE = 101
/** RFC 4733 section 2.5.1.4 asks for the end three times. */
const END_PACKETS = 3

/**
 * What a payer's telephone sends while keys are pressed: a u-law packet every 20 ms and, for events, one event packet
 * beside it while a key is down. `startMs` is when the first packet is sent.
 */
export function payerStream(options: {
  readonly keys: readonly number[]
  readonly transport: KeyTransport
  readonly startMs: number
  readonly onMs?: number
  readonly offMs?: number
  readonly leadMs?: number
  readonly toneLeadMs?: number
  readonly ssrc?: number
  readonly firstTimestamp?: number
  readonly firstSequence?: number
}): readonly PayerPacket[] {
  const { keys, transport, startMs, onMs = 100, offMs = 100, leadMs = 200, toneLeadMs = 30 } = options
  const { ssrc = 0x1234, firstTimestamp = 0xffff_0000, firstSequence = 65_500 } = options
  const tones: readonly Tone[] = keys.map((key) => ({ key, onMs, offMs }))
  const samples = dtmfTones(tones, { leadMs: leadMs - (transport === 'both' ? toneLeadMs : 0) })
  if (transport === 'events') samples.fill(0)
  let sequence = firstSequence
  const packets: PayerPacket[] = []
  const send = (
    atMs: number,
    packet: { marker: boolean; payloadType: number; timestamp: number; payload: Uint8Array },
  ) => {
    packets.push({ atMs: startMs + atMs, datagram: buildRtp({ ...packet, sequence, ssrc }) })
    sequence = (sequence + 1) & 0xffff
  }
  ulawPackets(samples, PTIME_MS).forEach((payload, index) => {
    const atMs = index * PTIME_MS
    send(atMs, { marker: index === 0, payloadType: 0, timestamp: firstTimestamp + atMs * 8, payload })
    if (transport === 'inband') return
    keys.forEach((key, press) => {
      const pressedMs = leadMs + press * (onMs + offMs)
      const sinceMs = atMs - pressedMs
      if (sinceMs < 0 || sinceMs >= onMs) return
      const isEnd = sinceMs + PTIME_MS >= onMs
      const durationMs = Math.min(onMs, sinceMs + PTIME_MS)
      const duration = durationMs * 8
      const payload2 = Uint8Array.of(key, (isEnd ? 0x80 : 0) | 10, duration >> 8, duration & 0xff)
      for (let copy = 0; copy < (isEnd ? END_PACKETS : 1); copy += 1) {
        send(atMs, {
          marker: sinceMs < PTIME_MS,
          payloadType: EVENT_PAYLOAD_TYPE,
          timestamp: firstTimestamp + pressedMs * 8,
          payload: payload2,
        })
      }
    })
  })
  return packets
}
