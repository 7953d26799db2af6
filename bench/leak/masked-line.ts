import { EgressSentinel } from '../../src/cde/guard/egress-sentinel.ts'
import { LOOK_AHEAD_MS, Masker } from '../../src/cde/guard/masker.ts'
import type { MaskerCounters } from '../../src/cde/guard/masker-counters.ts'
import { FIRST_TIMESTAMP, type PayerPacket } from './payer-packets.ts'
import { LINEAR } from './stimulus.ts'

/** What the agent's side gets of one call, beside what the payer's side sent. */
export type MaskedCall = {
  /** All that left, 16-bit samples at their place; zero where nothing came. */
  readonly heard: Int16Array
  /** All that arrived at the masker, in the same way: what the control hears. */
  readonly arrived: Int16Array
  /** 1 where a sample arrived and did not leave as it was. */
  readonly changed: Uint8Array
  /** 1 where a sample arrived. */
  readonly came: Uint8Array
  /** What left, in order. */
  readonly sent: readonly SentPacket[]
  readonly alarms: number
  /** Packets that left and were no audio. There must be none. */
  readonly foreign: number
  readonly counters: MaskerCounters
}

export type SentPacket = {
  readonly position: number
  readonly samples: number
  /** When it left; and how long after the packet of the same place had come, where one had. */
  readonly atMs: number
  readonly delayMs: number | null
}

/** As window.ts does while a field is open. */
const EXPECT_KEYS_EVERY_MS = 2_000

const RTP_HEADER_BYTES = 12
const PCMU = 0
const PCMA = 8

/**
 * Sends a call through a new masker and the sentinel behind it, wired as WindowMedia wires them: an alarm keeps the packet back and
 * turns the window hard. The clock is the packets' own.
 */
export function maskCall(
  packets: readonly PayerPacket[],
  options: {
    readonly samples: number
    readonly law: 'ulaw' | 'alaw'
    readonly seed: number
    readonly lookAheadMs?: number
    readonly keysExpected?: boolean
  },
): MaskedCall {
  const masker = new Masker({
    masking: 'talk-through',
    headers: 'same',
    own: { ssrc: 1, sequence: 1, timestamp: 1 },
    noiseSeed: options.seed >>> 0,
    law: options.law,
    nowMs: 0,
    lookAheadMs: options.lookAheadMs ?? LOOK_AHEAD_MS,
  })
  const sentinel = new EgressSentinel()
  const heard = new Int16Array(options.samples)
  const arrived = new Int16Array(options.samples)
  const came = new Uint8Array(options.samples)
  const left = new Uint8Array(options.samples)
  const arrivedMs = new Map<number, number>()
  const sent: SentPacket[] = []
  let alarms = 0
  let foreign = 0
  const release = (nowMs: number): void => {
    for (const packet of masker.due(nowMs)) {
      if (sentinel.hearsTone(packet)) {
        alarms += 1
        masker.toHard()
        continue
      }
      const payloadType = (packet[1] ?? 0) & 0x7f
      if (payloadType !== PCMU && payloadType !== PCMA) {
        foreign += 1
        continue
      }
      const position = place(packet, heard, left)
      const cameMs = arrivedMs.get(position)
      sent.push({
        position,
        samples: packet.length - RTP_HEADER_BYTES,
        atMs: nowMs,
        delayMs: cameMs === undefined ? null : nowMs - cameMs,
      })
    }
  }
  let expectMs = options.keysExpected === false ? Infinity : 0
  for (const { atMs, datagram, kind } of packets) {
    for (;;) {
      const dueMs = Math.min(masker.nextDueMs ?? Infinity, expectMs)
      if (dueMs > atMs) break
      if (dueMs === expectMs) {
        masker.expectKeys()
        expectMs += EXPECT_KEYS_EVERY_MS
      } else release(dueMs)
    }
    masker.accept(datagram, atMs)
    if (kind === 'event') continue
    const position = place(datagram, arrived, came)
    if (!arrivedMs.has(position)) arrivedMs.set(position, atMs)
  }
  while (masker.nextDueMs !== undefined) release(masker.nextDueMs)
  const changed = new Uint8Array(options.samples)
  for (let n = 0; n < changed.length; n += 1) {
    if (came[n] === 1 && (left[n] === 0 || heard[n] !== arrived[n])) changed[n] = 1
  }
  return { heard, arrived, changed, came, sent, alarms, foreign, counters: masker.counters }
}

/** Writes a packet's audio to its place, and returns the place. */
function place(packet: Buffer, into: Int16Array, marks: Uint8Array): number {
  const position = (packet.readUInt32BE(4) - FIRST_TIMESTAMP) | 0
  const table = ((packet[1] ?? 0) & 0x7f) === PCMA ? LINEAR.alaw : LINEAR.ulaw
  for (let index = RTP_HEADER_BYTES; index < packet.length; index += 1) {
    const at = position + index - RTP_HEADER_BYTES
    if (at < 0 || at >= into.length) continue
    into[at] = table[packet[index] ?? 0xff] ?? 0
    marks[at] = 1
  }
  return position
}
