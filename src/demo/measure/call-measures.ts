import { isAudio } from '../judge/recording.ts'
import type { LoggedPacket } from '../phone/phone-protocol.ts'
import { delaysByAlignment, delaysByTimestamp, type PacketDelay } from './packet-delay.ts'

/** One direction of a call: what one side sent and the other received, on the same monotonic clock. */
export type Direction = { readonly sent: readonly LoggedPacket[]; readonly received: readonly LoggedPacket[] }

/** When a window was open, in monotonic us. */
export type OpenWindow = { readonly openUs: number; readonly closeUs: number }

export type DelayFigures = {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly packets: number
  readonly by: 'timestamp' | 'alignment'
}

export type CallDelays = { readonly clear: DelayFigures | undefined; readonly window: DelayFigures | undefined }

/** Timestamps hold when nearly all packets of a part are found by them. */
const TIMESTAMPS_HOLD = 0.9

/**
 * One-way delays in ms while the call was clear, and while a window was open. The clear part goes by timestamps where
 * they survive; the window goes by what is heard, since a masker delays audio whatever it writes in the header.
 * Undefined where there was nothing to measure.
 */
export function callDelays(call: Direction, windows: readonly OpenWindow[]): CallDelays {
  const stamped = delaysByTimestamp(call.sent, call.received)
  let heard: readonly PacketDelay[] | undefined
  const aligned = (): readonly PacketDelay[] => (heard ??= delaysByAlignment(call.sent, call.received))
  const isOpen = (atUs: number): boolean => windows.some(({ openUs, closeUs }) => atUs >= openUs && atUs < closeUs)
  const clearCount = call.received.filter((packet) => isAudio(packet) && !isOpen(packet.atUs)).length
  const clearStamped = stamped.filter(({ receivedUs }) => !isOpen(receivedUs))
  const stampsHold = clearStamped.length >= TIMESTAMPS_HOLD * clearCount
  const clear = stampsHold ? clearStamped : aligned().filter(({ receivedUs }) => !isOpen(receivedUs))
  if (windows.length === 0) return { clear: figures(clear), window: undefined }
  const windowHeard = aligned().filter(({ receivedUs }) => isOpen(receivedUs))
  const window = windowHeard.length > 0 ? windowHeard : stamped.filter(({ receivedUs }) => isOpen(receivedUs))
  return { clear: figures(clear), window: figures(window) }
}

/** Half the width of the stretch around a switch in which lost packets are counted. */
export const SWITCH_SPAN_MS = 500

/**
 * Audio packets that were sent within 500 ms of a switch and never came: by timestamp where the path keeps them, else
 * by counting packets on the time line (each edge moved by the delay that was measured nearest to it).
 * Telephone-events are not counted: to lose those is the product's trade.
 */
export function lostAround(call: Direction, atUs: number): number {
  const fromUs = atUs - SWITCH_SPAN_MS * 1_000
  const toUs = atUs + SWITCH_SPAN_MS * 1_000
  const sent = call.sent.filter((packet) => isAudio(packet) && packet.atUs >= fromUs && packet.atUs < toUs)
  const came = new Set(call.received.filter(isAudio).map(({ timestamp }) => timestamp))
  const missing = sent.filter(({ timestamp }) => !came.has(timestamp)).length
  if (missing <= sent.length * (1 - TIMESTAMPS_HOLD)) return missing
  const delays = delaysByAlignment(call.sent, call.received)
  const lateUs = (edgeUs: number): number => (nearest(delays, edgeUs)?.delayMs ?? 0) * 1_000
  const received = call.received.filter(
    (packet) => isAudio(packet) && packet.atUs >= fromUs + lateUs(fromUs) && packet.atUs < toUs + lateUs(toUs),
  ).length
  const counted = Math.max(0, sent.length - received)
  // A delay that changes at the switch moves packets over the edges of the stretch. No more can be missing here than in
  // the whole call, unless a masker put audio in the place of events, which hides what is missing.
  const missingInCall = call.sent.filter(isAudio).length - call.received.filter(isAudio).length
  return missingInCall >= 0 ? Math.min(counted, missingInCall) : counted
}

/** The share of all sent audio packets that never came, by count. */
export function lossRatio(call: Direction): number {
  const sent = call.sent.filter(isAudio).length
  const received = new Set(
    call.received.filter(isAudio).map(({ ssrc, sequence, timestamp }) => `${ssrc} ${sequence} ${timestamp}`),
  )
  return sent === 0 ? 0 : Math.max(0, sent - received.size) / sent
}

/** The value below which this share of all values lies; values need no order. Undefined when there are none. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const ordered = [...values].sort((first, second) => first - second)
  return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))]
}

function figures(delays: readonly PacketDelay[]): DelayFigures | undefined {
  const values = delays.map(({ delayMs }) => delayMs)
  const first = delays[0]
  if (first === undefined) return undefined
  return {
    p50: percentile(values, 0.5) ?? 0,
    p99: percentile(values, 0.99) ?? 0,
    p999: percentile(values, 0.999) ?? 0,
    packets: delays.length,
    by: first.by,
  }
}

function nearest(delays: readonly PacketDelay[], atUs: number): PacketDelay | undefined {
  return delays.reduce<PacketDelay | undefined>(
    (best, delay) =>
      best === undefined || Math.abs(delay.sentUs - atUs) < Math.abs(best.sentUs - atUs) ? delay : best,
    undefined,
  )
}
