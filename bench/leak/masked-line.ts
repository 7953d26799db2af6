import { EgressSentinel } from '../../src/cde/guard/egress-sentinel.ts'
import { LOOK_AHEAD_MS, Masker } from '../../src/cde/guard/masker.ts'
import { FIRST_TIMESTAMP, type PayerPacket } from './payer-packets.ts'
import { LINEAR } from './stimulus.ts'

/** What the agent's side gets of one call, beside what the payer's side sent. */
export type MaskedCall = {
  /** All that left, 16-bit samples at their place; zero where nothing came. */
  readonly heard: Int16Array
  /** All that arrived at the masker, in the same way: what the control hears. */
  readonly arrived: Int16Array
  /** 1 where a sample arrived, and noise or nothing left in its place. */
  readonly changed: Uint8Array
  /** 1 where a sample arrived. */
  readonly came: Uint8Array
  /** What left, in order. */
  readonly sent: readonly SentPacket[]
  readonly alarms: number
  /** Packets that left and were no audio. There must be none. */
  readonly foreign: number
}

export type SentPacket = {
  readonly position: number
  readonly samples: number
  /** When it left; and how long after the packet of the same place had come, where one had. */
  readonly atMs: number
  readonly delayMs: number | null
  /** How many of its samples the masker says it replaced. */
  readonly replaced: number
}

/** As window.ts does while a field is open. */
const EXPECT_KEYS_EVERY_MS = 2_000

const RTP_HEADER_BYTES = 12
const PCMU = 0
const PCMA = 8

/** Where fewer samples in a row agree by chance, noise of one seed still differs from noise of another. */
const AGREEING_MIN = 16

export type LineOptions = {
  readonly samples: number
  readonly law: 'ulaw' | 'alaw'
  readonly seed: number
  readonly lookAheadMs?: number
  readonly keysExpected?: boolean
}

/**
 * Sends a call through two new maskers that differ in nothing but the seed of their noise: what left of the first, and, since
 * what differs between them is noise, exactly which samples were replaced, whatever a masker does to those that pass.
 */
export function maskCall(packets: readonly PayerPacket[], options: LineOptions): MaskedCall {
  const { left, arrivals, ...first } = passLine(packets, options)
  const second = passLine(packets, { ...options, seed: ~options.seed })
  const changed = new Uint8Array(options.samples)
  let agreeing = AGREEING_MIN
  for (let n = 0; n < changed.length; n += 1) {
    const agrees = left[n] === 1 && second.left[n] === 1 && first.heard[n] === second.heard[n]
    if (agrees) agreeing += 1
    else {
      changed.fill(1, agreeing < AGREEING_MIN ? n - agreeing : n, n + 1)
      agreeing = 0
    }
  }
  const { came, arrived } = arrivals
  for (let n = 0; n < changed.length; n += 1) if (came[n] === 0) changed[n] = 0
  return { ...first, changed, came, arrived }
}

/** What one masker, and the sentinel behind it, made of a call. */
export type PassedLine = Omit<MaskedCall, 'changed' | 'came' | 'arrived'> & {
  /** 1 where something left. */
  readonly left: Uint8Array
  readonly arrivals: { readonly came: Uint8Array; readonly arrived: Int16Array }
}

/**
 * Sends a call through a new masker and the sentinel behind it, wired as WindowMedia wires them: an alarm keeps the packet back and
 * turns the window hard. The clock is the packets' own.
 */
export function passLine(packets: readonly PayerPacket[], options: LineOptions): PassedLine {
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
  const left = new Uint8Array(options.samples)
  const arrivals = { came: new Uint8Array(options.samples), arrived: new Int16Array(options.samples) }
  const arrivedMs = new Map<number, number>()
  const sent: SentPacket[] = []
  let alarms = 0
  let foreign = 0
  const release = (nowMs: number): void => {
    const before = masker.counters.samplesMasked
    const released = masker.due(nowMs)
    const replaced = (masker.counters.samplesMasked - before) / Math.max(1, released.length)
    for (const packet of released) {
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
      const delayMs = cameMs === undefined ? null : nowMs - cameMs
      sent.push({ position, samples: packet.length - RTP_HEADER_BYTES, atMs: nowMs, delayMs, replaced })
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
    const position = place(datagram, arrivals.arrived, arrivals.came)
    if (!arrivedMs.has(position)) arrivedMs.set(position, atMs)
  }
  while (masker.nextDueMs !== undefined) release(masker.nextDueMs)
  return { heard, left, arrivals, sent, alarms, foreign }
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
