import { ComfortNoise } from '../../src/cde/guard/comfort-noise.ts'
import { ULAW_TO_LINEAR } from '../../src/cde/guard/g711.ts'
import { FIRST_POSITION, Masker, type Masking } from '../../src/cde/guard/masker.ts'
import type { MaskerCounters } from '../../src/cde/guard/masker-counters.ts'
import { GATE_BLOCK_SAMPLES } from '../../src/cde/guard/tone-gate.ts'
import { buildRtp } from '../../src/cde/guard/rtp-packet.ts'
import type { KeyPress } from './dtmf-signal.ts'
import { seededRandom } from './seeded-random.ts'

export type CallPlan = {
  /** u-law, one byte a sample. */
  readonly audio: Uint8Array
  readonly presses: readonly KeyPress[]
  readonly packetMs: number
  readonly lookAheadMs: number
  /** Part of the packets that never arrive. */
  readonly loss: number
  /** Packets come up to this much late; above packetMs they change places. */
  readonly jitterMs: number
  /**
   * `audio`: tones only. `leading`: the audio falls silent this many samples into each tone and events follow, as from a
   * gateway that needs that long to detect. `both`: events beside the tones.
   */
  readonly events:
    { readonly kind: 'none' } | { readonly kind: 'leading'; readonly samples: number } | { readonly kind: 'both' }
  readonly seed: number
  readonly masking: Masking
}

export const PLAIN_PLAN: Omit<CallPlan, 'audio' | 'presses'> = {
  packetMs: 20,
  lookAheadMs: 40,
  loss: 0,
  jitterMs: 0,
  events: { kind: 'none' },
  seed: 1,
  masking: 'talk-through',
}

export type MaskedCall = {
  /** All that left, as linear samples at its place: what the agent's side records. */
  readonly heard: Float64Array
  /** What arrived at the masker, in the same way: the control. */
  readonly arrived: Float64Array
  /** 1 where noise stands in place of a sample, and not what the band filter left of it. */
  readonly silenced: Uint8Array
  readonly sent: readonly Buffer[]
  /** The audio packets that arrived, in order of arrival. */
  readonly received: readonly Buffer[]
  readonly firstTimestamp: number
  readonly counters: MaskerCounters
}

/** So that it wraps within the call. */
const FIRST_TIMESTAMP = 4_294_900_000

type Arrival = { readonly atMs: number; readonly datagram: Buffer }

/** Sends a whole call through a masker, on a clock of its own. */
export function maskedCall(plan: CallPlan): MaskedCall {
  const random = seededRandom(plan.seed)
  const size = plan.packetMs * 8
  const audio = Uint8Array.from(plan.audio)
  if (plan.events.kind === 'leading') {
    for (const press of plan.presses) audio.fill(0xff, press.start + plan.events.samples, press.start + press.samples)
  }
  const arrivals: Arrival[] = []
  let sequence = 65000
  for (let at = 0; at + size <= audio.length; at += size) {
    const due = (at + size) / 8
    const packets = [header(0, sequence, at, audio.subarray(at, at + size))]
    sequence += 1
    if (plan.events.kind !== 'none') {
      for (const event of eventPackets({ plan, from: at, size })) {
        packets.push(header(101, sequence, event.timestamp, event.payload))
        sequence += 1
      }
    }
    for (const datagram of packets) {
      if (random.next() >= plan.loss) arrivals.push({ atMs: due + random.next() * plan.jitterMs, datagram })
    }
  }
  arrivals.sort((a, b) => a.atMs - b.atMs)

  const masker = new Masker({
    masking: plan.masking,
    headers: 'same',
    own: { ssrc: 1, sequence: 1, timestamp: 1 },
    noiseSeed: plan.seed + 77,
    law: 'ulaw',
    nowMs: 0,
    lookAheadMs: plan.lookAheadMs,
  })
  const sent: Buffer[] = []
  const received: Buffer[] = []
  const arrived = new Float64Array(audio.length)
  for (const { atMs, datagram } of arrivals) {
    while (masker.nextDueMs !== undefined && masker.nextDueMs <= atMs) sent.push(...masker.due(masker.nextDueMs))
    masker.accept(datagram, atMs)
    if ((datagram[1] ?? 0) !== 0) continue
    received.push(datagram)
    place(datagram, arrived)
  }
  while (masker.nextDueMs !== undefined) sent.push(...masker.due(masker.nextDueMs))
  const out = new Float64Array(audio.length)
  const silenced = new Uint8Array(audio.length)
  const noise = new ComfortNoise(plan.seed + 77)
  for (const packet of sent) {
    place(packet, out)
    markNoise({ packet, noise, silenced })
  }
  return {
    heard: out,
    arrived,
    silenced,
    sent,
    received,
    firstTimestamp: FIRST_TIMESTAMP,
    counters: masker.counters,
  }
}

function header(payloadType: number, sequence: number, timestamp: number, payload: Uint8Array): Buffer {
  return buildRtp({ payloadType, marker: false, sequence, timestamp: timestamp + FIRST_TIMESTAMP, ssrc: 7, payload })
}

/** An event packet for each packet time in which the key is down, and three with the end bit. */
function eventPackets(sent: {
  readonly plan: CallPlan
  readonly from: number
  readonly size: number
}): { timestamp: number; payload: Buffer }[] {
  const { plan, from, size } = sent
  const lead = plan.events.kind === 'leading' ? plan.events.samples : 0
  for (const press of plan.presses) {
    const start = press.start + lead
    const stop = press.start + press.samples
    const now = from + size
    if (now <= start || from - size >= stop || stop <= start) continue
    const end = now >= stop
    const duration = Math.min(now, stop) - start
    const packet = {
      timestamp: start,
      payload: Buffer.from([press.key, end ? 0x8a : 0x0a, duration >> 8, duration & 0xff]),
    }
    return end ? [packet, packet, packet] : [packet]
  }
  return []
}

/** Blocks of a packet that are noise, byte by byte: what the masker would have put there. */
function markNoise(marked: {
  readonly packet: Buffer
  readonly noise: ComfortNoise
  readonly silenced: Uint8Array
}): void {
  const { packet, noise, silenced } = marked
  const at = (packet.readUInt32BE(4) - FIRST_TIMESTAMP) >>> 0
  const expected = Buffer.alloc(packet.length)
  noise.fill({ target: expected, start: 12, length: packet.length - 12, position: FIRST_POSITION + at, law: 'ulaw' })
  for (let from = 12; from < packet.length; from += GATE_BLOCK_SAMPLES) {
    const to = Math.min(from + GATE_BLOCK_SAMPLES, packet.length)
    if (packet.subarray(from, to).equals(expected.subarray(from, to))) silenced.fill(1, at + from - 12, at + to - 12)
  }
}

function place(packet: Buffer, into: Float64Array): void {
  const at = (packet.readUInt32BE(4) - FIRST_TIMESTAMP) >>> 0
  for (let index = 12; index < packet.length; index += 1) {
    if (at + index - 12 < into.length) into[at + index - 12] = ULAW_TO_LINEAR[packet[index] ?? 0xff] ?? 0
  }
}
