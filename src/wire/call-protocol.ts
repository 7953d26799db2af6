import { siteOrderShape, siteReplyShape } from './site-protocol.ts'
import { selfTestReportShape, selfTestRunShape } from './self-test-protocol.ts'
import { either, epochMs, integer, list, literal, nullable, parser, record, text, truth, type Shaped } from './shape.ts'
import {
  brandShape,
  captureFailureShape,
  fieldNameShape,
  fieldProgressShape,
  lastFourShape,
  maskingShape,
  merchantShape,
  tokenShape,
  windowIdShape,
} from './window-progress.ts'

/** The protocol between the sbc, which knows the calls, and a desk, which shows them to agents. */

export const CALLS_MAX = 10_000

/** The sbc's own id of a call: letters only. */
export const callIdShape = text(/^[a-z]{20}$/)
/** The user part that was answered on the contact centre's side, or what the trunk's header said. */
export const agentShape = text(/^[\w.+@~!*'()-]{1,64}$/)
/** A Call-ID as SIP allows it (RFC 3261 section 25.1), bounded. It comes from SIP, not from the CDE. */
export const sipCallIdShape = text(/^[\x21-\x7e]{1,200}$/)
const nameShape = text(/^[a-z][a-z0-9-]{0,39}$/)
/** A calling or called number or user, as the agent's page shows it. */
const partyShape = text(/^[\x20-\x7e]{0,64}$/)

/**
 * Where a payment window stands. opening: not masked for sure yet, do not ask for the card. capturing: the customer may
 * type. cooling: done, masked until the keys are quiet. held: masked, because something failed in the window and it is
 * not yet safe to end it. closed: over.
 */
export const paymentStateShape = literal('opening', 'capturing', 'storing', 'cooling', 'held', 'closed')

/** Why a window did not open, or ended without a token; the page has a sentence for each. */
export const paymentFailureShape = either(
  captureFailureShape,
  literal(
    'guard_unavailable',
    'out_of_service',
    'media_unavailable',
    'not_proven',
    'not_recorded',
    'unknown_merchant',
    'cancelled',
    'call_ended',
    'media_lost',
    'sbc_lost',
    'sip_lost',
  ),
)
export type PaymentFailure = Shaped<typeof paymentFailureShape>

export const paymentShape = record({
  windowId: windowIdShape,
  form: nameShape,
  masking: maskingShape,
  state: paymentStateShape,
  fields: list(fieldProgressShape, 3),
  token: nullable(tokenShape),
  lastFour: nullable(lastFourShape),
  brand: nullable(brandShape),
  failure: nullable(paymentFailureShape),
  /** Whole milliseconds from the order to the proof of interposition. */
  openMs: nullable(integer(0, 600_000)),
  /** Masking failed in this window: nothing got through, and the payer's voice is replaced as a whole from then on. */
  alarmed: truth,
  /** Nothing has come from the payer for some seconds: muted, silence suppressed, or the line is broken. */
  payerSilent: truth,
})
export type Payment = Shaped<typeof paymentShape>

export const callViewShape = record({
  callId: callIdShape,
  agent: agentShape,
  /** Call-ID of the payer's leg and of the agent's leg. */
  payerSipCallId: sipCallIdShape,
  agentSipCallId: sipCallIdShape,
  from: partyShape,
  to: partyShape,
  payerTrunk: nameShape,
  agentTrunk: nameShape,
  /** Whose its cards, tokens and charges are. */
  merchant: merchantShape,
  state: literal('talking', 'held', 'ended'),
  startedAtMs: epochMs,
  endedAtMs: nullable(epochMs),
  /** Names of the forms that can be opened. */
  forms: list(nameShape, 32),
  payment: nullable(paymentShape),
})
export type CallView = Shaped<typeof callViewShape>

export const deskToSbcShape = either(
  /** Asks for all calls now ('calls') and for each change from now on ('call'). */
  record({ type: literal('calls.watch') }),
  record({ type: literal('window.open'), callId: callIdShape, form: nameShape, masking: nullable(maskingShape) }),
  record({ type: literal('window.clear'), callId: callIdShape, field: nullable(fieldNameShape) }),
  record({ type: literal('window.cancel'), callId: callIdShape }),
  /** A bearer token was refused: for the vault's audit record. Not answered. */
  record({ type: literal('login.refused') }),
  /** For the role operator only. */
  selfTestRunShape,
  siteOrderShape,
)
export type DeskToSbc = Shaped<typeof deskToSbcShape>
export const parseDeskToSbc = parser(deskToSbcShape)

export const orderRefusalShape = literal(
  'unknown_call',
  'unknown_form',
  'window_open',
  'no_window',
  'call_ended',
  /** The call is to an emergency number, and is never captured. */
  'emergency',
  'guard_unavailable',
  /** No guard of this call's rtpengine has passed its self-test. */
  'out_of_service',
  'media_unavailable',
  'not_proven',
  /** The vault's audit record takes nothing now: a window is refused rather than not written down. */
  'not_recorded',
  /** The vault does not have the merchant of this call, or guards may not act for it. */
  'unknown_merchant',
)
export type OrderRefusal = Shaped<typeof orderRefusalShape>

export const sbcToDeskShape = either(
  record({ type: literal('calls'), calls: list(callViewShape, CALLS_MAX) }),
  /** A call as it now is; state 'ended' is its last. */
  record({ type: literal('call'), call: callViewShape }),
  /** Answer to an order. For window.open it is sent when the interposition is proven, or has failed. */
  record({ type: literal('done'), callId: callIdShape, windowId: nullable(windowIdShape) }),
  record({ type: literal('refused'), code: orderRefusalShape }),
  selfTestReportShape,
  siteReplyShape,
)
export type SbcToDesk = Shaped<typeof sbcToDeskShape>
export const parseSbcToDesk = parser(sbcToDeskShape)
