import { callIdShape, deskToSbcShape, agentShape, sbcToDeskShape, sipCallIdShape } from './call-protocol.ts'
import { either, epochMs, integer, list, literal, nullable, parser, record, text, truth, type Shaped } from './shape.ts'
import { TRACE_EVENTS_MAX, TRACE_MESSAGES_MAX, tracedMessageShape, windowEventShape } from './trace-protocol.ts'
import { merchantShape } from './window-progress.ts'

/** What an operator may ask of the sbc beside what a desk may: who is talking, how a call was signalled, and what the site runs by. */

/** Calls in one answer; a call takes some 500 bytes of a frame. */
export const CALLS_PAGE_MAX = 1_000

const nameShape = text(/^[a-z][a-z0-9-]{0,39}$/)
/** A calling or called number; one that could be a card's is dots. */
const partyShape = text(/^[\x20-\x7e]{0,64}$/)
/** As SDP names it; '-' while none is agreed. */
const codecShape = text(/^[\w.-]{1,32}$/)

/** A call as the operator's table has it. Trunks, merchant, agent and engine are null while they are not known. */
export const liveCallShape = record({
  callId: nullable(callIdShape),
  sipCallId: sipCallIdShape,
  state: literal('ringing', 'talking', 'held'),
  direction: literal('inbound', 'outbound'),
  from: partyShape,
  to: partyShape,
  payerTrunk: nullable(nameShape),
  agentTrunk: nullable(nameShape),
  /** Whose cards can be taken on it. */
  merchant: nullable(merchantShape),
  agent: nullable(agentShape),
  startedAtMs: epochMs,
  answeredAtMs: nullable(epochMs),
  window: nullable(literal('opening', 'capturing', 'storing', 'cooling', 'held', 'closed')),
  rtpengine: nullable(nameShape),
  payerCodec: codecShape,
  agentCodec: codecShape,
})
export type LiveCall = Shaped<typeof liveCallShape>

export const callTraceShape = record({
  type: literal('call.trace.report'),
  callId: nullable(callIdShape),
  /** Which Call-IDs belong to which side of us. */
  payerSipCallIds: list(sipCallIdShape, 32),
  agentSipCallIds: list(sipCallIdShape, 32),
  isEnded: truth,
  messages: list(tracedMessageShape, TRACE_MESSAGES_MAX),
  events: list(windowEventShape, TRACE_EVENTS_MAX),
})
export type CallTrace = Shaped<typeof callTraceShape>

/** no_sipd: no embedded sipd is connected, as with an external drachtio-server. unknown_call: forgotten, or never known. */
export const operatorRefusalShape = literal('unknown_call', 'no_sipd', 'no_answer')
export type OperatorRefusal = Shaped<typeof operatorRefusalShape>

const callsListShape = record({ type: literal('calls.list'), skip: integer(0, 1_000_000) })
/** `call` is an id of ours, or the SIP Call-ID of either leg. */
const callTraceOrderShape = record({ type: literal('call.trace'), call: sipCallIdShape })

/** What the site runs by now, which its file need not say any more. */
const siteConfigurationOrderShape = record({ type: literal('site.configuration') })

export type OperatorQuestion = Shaped<typeof callsListShape> | Shaped<typeof callTraceOrderShape>
export const operatorToSbcShape = either(
  deskToSbcShape,
  callsListShape,
  callTraceOrderShape,
  siteConfigurationOrderShape,
)
export type OperatorToSbc = Shaped<typeof operatorToSbcShape>
export const parseOperatorToSbc = parser(operatorToSbcShape)

const callsReportShape = record({
  type: literal('calls.report'),
  calls: list(liveCallShape, CALLS_PAGE_MAX),
  total: integer(0, 1_000_000),
})
/** The body is the configuration as JSON; it names files of secrets, and holds none. `version` is the release that runs. */
const siteConfigurationReportShape = record({
  type: literal('site.configuration.report'),
  version: text(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/),
})
const operatorRefusedShape = record({ type: literal('operator.refused'), code: operatorRefusalShape })
export type OperatorAnswer = Shaped<typeof callsReportShape> | CallTrace | Shaped<typeof operatorRefusedShape>

export const sbcToOperatorShape = either(
  sbcToDeskShape,
  callsReportShape,
  callTraceShape,
  siteConfigurationReportShape,
  operatorRefusedShape,
)
export type SbcToOperator = Shaped<typeof sbcToOperatorShape>
export const parseSbcToOperator = parser(sbcToOperatorShape)
