import { epochMs, integer, list, literal, nullable, parser, record, text, type Shaped } from './shape.ts'

/**
 * What of a call's signalling is shown to an operator: the sbc asks sipd for the SIP messages of a call and adds its own
 * events. Texts of messages come from SIP, not from the CDE, and sipd has taken out of them what could be a key or a card
 * (sipd/seen-message.ts); the sbc looks again.
 */

/** Of both legs, with those of transfers and failed attempts. */
export const TRACE_CALL_IDS_MAX = 32
/** Two legs of 200 messages, and some more for attempts. */
export const TRACE_MESSAGES_MAX = 2_000
/** A call has a handful of windows, each with some ten changes. */
export const TRACE_EVENTS_MAX = 200

const sipCallIdShape = text(/^[\x21-\x7e]{1,200}$/)
const addressShape = text(/^[\w.:[\]%-]{1,270}$/)

/** A SIP message, one character a byte. `sequence` grows with each message of one sipd, and begins again when it has nine digits. */
export const tracedMessageShape = record({
  sequence: integer(1, 999_999_999),
  atMs: epochMs,
  direction: literal('received', 'sent'),
  transport: literal('udp', 'tcp', 'tls'),
  local: addressShape,
  remote: addressShape,
  text: text(/^[\t\r\n\x20-\x7e\x80-\xff]{1,65536}$/),
})
export type TracedMessage = Shaped<typeof tracedMessageShape>

export const traceReadShape = record({
  type: literal('trace.read'),
  sipCallIds: list(sipCallIdShape, TRACE_CALL_IDS_MAX),
})
export type SbcToSipd = Shaped<typeof traceReadShape>
export const parseSbcToSipd = parser(traceReadShape)

export const traceMessagesShape = record({
  type: literal('trace.messages'),
  messages: list(tracedMessageShape, TRACE_MESSAGES_MAX),
})
export type SipdToSbc = Shaped<typeof traceMessagesShape>
export const parseSipdToSbc = parser(traceMessagesShape)

/** A payment window changed. `outcome` is there when it closed: a token was made, or why not. */
export const windowEventShape = record({
  atMs: epochMs,
  state: literal('opening', 'capturing', 'storing', 'cooling', 'held', 'closed'),
  outcome: nullable(text(/^[a-z_]{1,40}$/)),
})
export type WindowEvent = Shaped<typeof windowEventShape>
