import { PCMA_PAYLOAD_TYPE, PCMU_PAYLOAD_TYPE, type G711Law } from './g711.ts'
import type { RtpPacket } from './rtp-packet.ts'
import {
  DYNAMIC_PAYLOAD_TYPE_MIN,
  parseRed,
  parseTelephoneEvents,
  TELEPHONE_EVENT_BYTES,
} from './telephone-event-packet.ts'

/**
 * What the masker makes of a payload. Only G.711 is ever read as audio. Events are told by their shape, whatever
 * payload type they bear and whichever key they name: a payer's device may send what was never negotiated.
 */
export type PayerPayload =
  | { readonly kind: 'audio'; readonly law: G711Law; readonly payload: Buffer }
  | {
      readonly kind: 'event'
      /** From the packet's timestamp on, all events of the packet together. */
      readonly duration: number
      /** How much earlier than the packet's timestamp its oldest redundant event began. */
      readonly lead: number
      /** No key of the packet is still down. */
      readonly end: boolean
    }
  | { readonly kind: 'other' }

/** Comfort noise, RFC 3389: up to some ten bytes of spectrum, which could be taken for an event. */
const COMFORT_NOISE_PAYLOAD_TYPE = 13

/** Reads one payload. Never throws. */
export function readPayload(packet: RtpPacket): PayerPayload {
  const { payloadType, payload } = packet
  if (payload.length === 0) return OTHER
  if (payloadType === PCMU_PAYLOAD_TYPE) return { kind: 'audio', law: 'ulaw', payload }
  if (payloadType === PCMA_PAYLOAD_TYPE) return { kind: 'audio', law: 'alaw', payload }
  if (payloadType === COMFORT_NOISE_PAYLOAD_TYPE) return OTHER
  // Two frames of G.729 (type 18) are as long as five events; one event is as long as nothing else.
  if (payloadType < DYNAMIC_PAYLOAD_TYPE_MIN && payload.length !== TELEPHONE_EVENT_BYTES) return OTHER
  return eventsOf(payload) ?? redundantEventsOf(payload) ?? OTHER
}

function eventsOf(payload: Buffer): (PayerPayload & { kind: 'event' }) | undefined {
  const parsed = parseTelephoneEvents(payload)
  if (parsed.kind === 'refused') return undefined
  let duration = 0
  let end = true
  for (const event of parsed.events) {
    duration += event.duration
    end &&= event.end
  }
  return { kind: 'event', duration, lead: 0, end }
}

/** Events inside RED (RFC 2198); the last block is the primary, whose state is the key's. */
function redundantEventsOf(payload: Buffer): PayerPayload | undefined {
  const red = parseRed(payload)
  if (red.kind === 'refused') return undefined
  let found: (PayerPayload & { kind: 'event' }) | undefined
  for (const block of red.blocks) {
    const inner = eventsOf(block.payload)
    if (inner === undefined) continue
    const lead = Math.max(found?.lead ?? 0, block.timestampOffset)
    const duration = Math.max(found?.duration ?? 0, inner.duration - block.timestampOffset, 0)
    found = { kind: 'event', duration, lead, end: inner.end }
  }
  return found
}

const OTHER: PayerPayload = { kind: 'other' }
