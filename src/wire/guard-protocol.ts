import { addressShape } from './address.ts'
import { selfTestOrderShape, selfTestReplyShape } from './self-test-order.ts'
import { either, integer, list, literal, nullable, parser, record, text, truth, type Shaped } from './shape.ts'
import {
  brandShape,
  fieldNameShape,
  maskingShape,
  merchantShape,
  windowIdShape,
  windowProgressShape,
} from './window-progress.ts'

/** The protocol between an sbc and a guard: the sbc orders windows, the guard masks, captures and reports. */

export { addressShape, ipShape, type Address } from './address.ts'

/** What a form asks for, in order, and its limits. */
export const formShape = record({
  fields: list(fieldNameShape, 3),
  /** Empty: every brand that is known. */
  brands: list(brandShape, 13),
  tries: integer(1, 5),
  interDigitMs: integer(1_000, 60_000),
  totalMs: integer(5_000, 600_000),
})
export type Form = Shaped<typeof formShape>

const prepareShape = record({
  type: literal('window.prepare'),
  windowId: windowIdShape,
  masking: maskingShape,
  lookAheadMs: integer(10, 200),
  /** The G.711 law that both sides of the guard speak; rtpengine transcodes everything else. */
  codec: literal('PCMU', 'PCMA'),
  /** 'same': SSRC and timestamps pass. 'own': new ones for this window, for a leg that rtpengine transcodes. */
  headers: literal('same', 'own'),
  /** null: mask only, until no key was heard for the cool-down; used after a guard was lost in a window. */
  form: nullable(formShape),
  merchant: merchantShape,
  coolDownMs: integer(500, 30_000),
})
export type PrepareWindow = Shaped<typeof prepareShape>

/**
 * The body of one SIP INFO of the payer (application/dtmf-relay or application/dtmf), passed on unread. The one message
 * towards the CDE that holds a digit: carriers that signal by INFO put it into SIP itself. One message holds one key.
 */
const infoShape = record({
  type: literal('window.info'),
  windowId: windowIdShape,
  relay: truth,
  body: text(/^[A-Za-z0-9+/=]{0,344}$/),
})

const ofWindow = <const Type extends string>(type: Type) => record({ type: literal(type), windowId: windowIdShape })

/**
 * First message of an sbc on a new channel: whose windows it orders. Letters only, the same after a restart, and another
 * for each sbc. All sbcs have one role, so this keeps honest ones apart and no others.
 */
const sbcHelloShape = record({ type: literal('sbc.hello'), owner: text(/^[a-z]{16}$/) })

/**
 * What a person did outside of the CDE, for the vault's audit record (PCI DSS 10.2.1.2, 10.2.1.4). Answered ok when the guard has taken it.
 */
const auditReportShape = record({
  type: literal('audit.report'),
  event: literal('login_failed', 'administrator_act', 'configuration_changed', 'operator_read', 'peer_refused'),
  cause: literal(
    'token_refused',
    'drain',
    'drain_undone',
    'reload',
    'reload_refused',
    'self_test',
    'not_operator',
    'calls',
    'trace',
    'configuration',
    'wrong_role',
    'tls_refused',
    'certificate_expired',
    'certificate_revoked',
    'malformed',
  ),
  by: literal('desk', 'operator', 'sbc'),
  occurredMs: integer(1_600_000_000_000, 4_000_000_000_000),
})
export type AuditReport = Shaped<typeof auditReportShape>

export const sbcToGuardShape = either(
  sbcHelloShape,
  auditReportShape,
  prepareShape,
  /** Where the guard's two sides send: rtpengine's ports towards the payer and towards the agent. */
  record({ type: literal('window.connect'), windowId: windowIdShape, payer: addressShape, agent: addressShape }),
  /** Interposition is proven: from now on keys fill fields. */
  ofWindow('window.capture'),
  record({ type: literal('window.clear'), windowId: windowIdShape, field: nullable(fieldNameShape) }),
  ofWindow('window.cancel'),
  /** Send what is held, then be silent towards the agent. Answered 'drained', or 'refused' with key_down. */
  ofWindow('window.drain'),
  /** The close offer was not made or failed: mask on. */
  ofWindow('window.resume'),
  ofWindow('window.release'),
  ofWindow('window.count'),
  infoShape,
  selfTestOrderShape,
)
export type SbcToGuard = Shaped<typeof sbcToGuardShape>
export const parseSbcToGuard = parser(sbcToGuardShape)

const count = integer(0, 4_294_967_295)

/** Packets seen by the guard in this window, by direction. */
export const windowCountsShape = record({
  fromPayer: count,
  fromAgent: count,
  toPayer: count,
  toAgent: count,
  dropped: count,
  maskedMs: count,
})
export type WindowCounts = Shaped<typeof windowCountsShape>

export const guardToSbcShape = either(
  /** Answer to sbc.hello, with the windows of that sbc alone. */
  record({ type: literal('guard.hello'), windowsOpen: list(windowIdShape, 1_000), windowsMax: integer(1, 1_000) }),
  record({ type: literal('prepared'), payer: addressShape, agent: addressShape }),
  record({ type: literal('ok') }),
  record({
    type: literal('refused'),
    code: literal(
      'unknown_window',
      'window_exists',
      'windows_exhausted',
      'no_port',
      'not_connected',
      'key_down',
      'wrong_state',
      'out_of_service',
      /** The window cannot be written down, and so takes no key. */
      'not_recorded',
      /** The vault does not have its merchant, or lets no guard act for it: the same. */
      'unknown_merchant',
    ),
  }),
  record({ type: literal('drained') }),
  record({ type: literal('counted'), counts: windowCountsShape }),
  record({ type: literal('progress'), windowId: windowIdShape, progress: windowProgressShape }),
  /** The fields are done or given up, no key is down, and none was heard for the cool-down. Sent again when it holds again. */
  record({ type: literal('safe-to-close'), windowId: windowIdShape }),
  /**
   * sentinel: masking failed; what it let through was not sent, and the window is masked hard from now on. Said again when
   * even that was not obeyed: the capture ends then.
   */
  record({ type: literal('alarm'), windowId: windowIdShape, code: literal('sentinel', 'payer_silent') }),
  /** After payer_silent: packets of the payer come again. */
  ofWindow('payer-heard'),
  selfTestReplyShape,
)
export type GuardToSbc = Shaped<typeof guardToSbcShape>
export const parseGuardToSbc = parser(guardToSbcShape)
