import { merchantShape } from '../wire/window-progress.ts'
import { TOKEN_PATTERN } from './vault/token.ts'

/**
 * What may be said to the vault, over the mutual TLS channel. A message is JSON and holds no digit of a card beyond the
 * last four; digits travel in the binary body of a tokenize request only, laid out in card-body.ts.
 *
 * A repeated request with the same idempotency key gets the same answer, also after a crash of the vault.
 */
export type VaultRequest = TokenizeRequest | AuthorizeRequest | ReportRequest

/**
 * Sent behind a tokenize request, with a body of zeros and without a reply. Node decrypts into a piece of stack, and OpenSSL into a buffer,
 * that keep the bytes of a message until one comes that is at least as long; this is that one.
 */
export type Rinse = { readonly type: 'rinse' }

/** Longer than the longest tokenize request with its body. */
export const RINSE_BYTES = 1_024

export type TokenizeRequest = {
  readonly type: 'tokenize'
  readonly merchant: string
  /** The capture window, for the audit record. */
  readonly windowId: string
  readonly idempotencyKey: string
}

export type AuthorizeRequest = {
  readonly type: 'authorize'
  readonly merchant: string
  readonly windowId: string
  readonly token: string
  /** In the currency's smallest unit (ISO 4217 exponent). */
  readonly amountMinor: number
  /** ISO 4217, three letters. */
  readonly currency: string
  readonly idempotencyKey: string
}

/**
 * Something that an auditor must find (PCI DSS 10.7.2: a control that failed), for the vault's chain. No idempotency key: one
 * that was repeated is written down twice, which says the same.
 */
export type ReportRequest = {
  readonly type: 'report'
  readonly event: ReportEvent
  readonly cause: ReportCause
  readonly merchant: string
  readonly windowId: string
  /** The guard's name; of an act of people, whose it was behind it. Of refused peers, behind it the last one's address and how many they were. */
  readonly instance: string
  /** Milliseconds since 1970: the vault may have been away when it happened. */
  readonly occurredMs: number
}

/**
 * masking_failed: the sentinel kept something back. self_test_failed: a test call was not as it must be. window_opened: sent before
 * the window is, and only a window that is recorded opens.
 */
export const REPORT_EVENTS = [
  'masking_failed',
  'self_test_failed',
  'window_opened',
  'window_closed',
  // Of people outside of the CDE; the sbc tells a guard of them.
  'login_failed',
  'administrator_act',
  'configuration_changed',
  'operator_read', // what of calls, a trace or the configuration was shown; once a minute at most for each
  // Of a door in front of the vault; once a minute at most for each cause.
  'peer_refused',
] as const
export type ReportEvent = (typeof REPORT_EVENTS)[number]

export const REPORT_CAUSES = [
  'tone',
  'repeated',
  'not_audio',
  'header',
  'too_long',
  'hard_not_obeyed',
  'leaked',
  'key_lost',
  'no_media',
  'delay',
  'not_direct',
  'capture', // a window with a form
  'mask_only', // after a guard or an rtpengine was lost: masked, and no key is taken
  'released', // the sbc took the guard out
  'abandoned', // no sbc and no media any more
  'guard_closed',
  'token_refused',
  'drain',
  'drain_undone',
  'reload',
  'reload_refused',
  'self_test',
  'calls',
  'trace',
  'configuration',
  'not_operator', // a desk asked for what only an operator may
  'wrong_role', // its certificate is good, and of a role that has no business there
  'tls_refused',
  'certificate_expired',
  'certificate_revoked',
  'malformed', // what it sent were no frames or messages of ours
] as const
export type ReportCause = (typeof REPORT_CAUSES)[number]

export type VaultReply =
  | { readonly type: 'tokenized'; readonly token: string; readonly lastFour: string; readonly brand: Brand }
  | { readonly type: 'approved'; readonly approvalCode: string }
  | { readonly type: 'declined'; readonly declineCode: string }
  | { readonly type: 'recorded' }
  | { readonly type: 'refused'; readonly code: RefusalCode }

/** Names as the guard's card rules spell them. */
export const BRANDS = [
  'visa',
  'mastercard',
  'american-express',
  'diners-club',
  'discover',
  'jcb',
  'unionpay',
  'maestro',
  'unknown',
] as const
export type Brand = (typeof BRANDS)[number]

export const REFUSAL_CODES = [
  'malformed', // the message or its body does not follow this page
  'role_not_allowed',
  'unknown_merchant', // also one that guards may not act for
  'pan_length',
  'check_digit_failed',
  'expiry_month',
  'expired',
  'card_code_length',
  'idempotency_conflict', // the key was used before for something else
  'unknown_token', // also a token of another merchant
  'token_gone', // used, deleted or past its time
  'no_connector', // no acquirer is configured for the merchant
  'acquirer_unavailable', // no answer that can be trusted: repeat with the same idempotency key
  'busy', // too many requests at once: repeat
  'store_failed', // nothing was kept: repeat
  'key_failed', // a key does not open what it should
  'closing',
  'sealed', // the custodians have not opened the key-encryption key yet
  'card_shredded', // the key that sealed it is no more: take the card again
  'audit_backlog', // too much is written down in one place only: no window opens until it was shipped
] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]

const WINDOW_ID = /^[A-Za-z0-9_-]{1,64}$/
/** Eight characters at least, so that a counter from one is not mistaken for a key. */
const IDEMPOTENCY_KEY = /^[A-Za-z0-9_-]{8,64}$/
const INSTANCE = /^[a-z][a-z0-9-]{0,39}( [0-9a-z.:%]{2,64} x[1-9][0-9]{0,8})?$/
const CURRENCY = /^[A-Z]{3}$/
/** ISO 8583 field 4 has twelve digits. */
const AMOUNT_MINOR_MAX = 999_999_999_999
/** ISO 8583 field 38 (six characters) and field 39 (two characters). */
export const APPROVAL_CODE = /^[A-Za-z0-9]{1,6}$/
export const DECLINE_CODE = /^[A-Za-z0-9]{2}$/

/** Null for anything that is neither a request nor a rinse. */
export function parseVaultMessage(value: unknown): VaultRequest | Rinse | null {
  if (isRecord(value) && value.type === 'rinse') return countOfFields(value) === 1 ? { type: 'rinse' } : null
  return parseVaultRequest(value)
}

/** Null for anything that is not exactly a request: an unknown type, an extra field, a value out of its limits. */
export function parseVaultRequest(value: unknown): VaultRequest | null {
  if (!isRecord(value)) return null
  const { type, merchant, windowId, idempotencyKey } = value
  if (!merchantShape(merchant) || !matches(windowId, WINDOW_ID)) return null
  if (type === 'report') return parseReport(value, merchant, windowId)
  if (!matches(idempotencyKey, IDEMPOTENCY_KEY)) return null
  if (type === 'tokenize') {
    return countOfFields(value) === 4 ? { type, merchant, windowId, idempotencyKey } : null
  }
  const { token, amountMinor, currency } = value
  if (type !== 'authorize' || countOfFields(value) !== 7) return null
  if (!matches(token, TOKEN_PATTERN) || !matches(currency, CURRENCY) || !isAmount(amountMinor)) return null
  return { type, merchant, windowId, token, amountMinor, currency, idempotencyKey }
}

function parseReport(value: Fields & object, merchant: string, windowId: string): ReportRequest | null {
  const { instance, occurredMs } = value
  const event = REPORT_EVENTS.find((name) => name === value.event)
  const cause = REPORT_CAUSES.find((name) => name === value.cause)
  if (event === undefined || cause === undefined || !matches(instance, INSTANCE) || !isTime(occurredMs)) return null
  if (countOfFields(value) !== 7) return null
  return { type: 'report', event, cause, merchant, windowId, instance, occurredMs }
}

/** Null for anything that is not exactly a reply. */
export function parseVaultReply(value: unknown): VaultReply | null {
  if (!isRecord(value)) return null
  const { type, token, lastFour, brand, approvalCode, declineCode, code } = value
  const fields = countOfFields(value)
  if (type === 'tokenized' && fields === 4 && matches(token, TOKEN_PATTERN) && isBrand(brand)) {
    return matches(lastFour, /^\d{4}$/) && token.endsWith(lastFour) ? { type, token, lastFour, brand } : null
  }
  if (type === 'recorded' && fields === 1) return { type }
  if (fields !== 2) return null
  if (type === 'approved' && matches(approvalCode, APPROVAL_CODE)) return { type, approvalCode }
  if (type === 'declined' && matches(declineCode, DECLINE_CODE)) return { type, declineCode }
  if (type === 'refused' && isRefusalCode(code)) return { type, code }
  return null
}

export function isBrand(value: unknown): value is Brand {
  return BRANDS.some((brand) => brand === value)
}

function isRefusalCode(value: unknown): value is RefusalCode {
  return REFUSAL_CODES.some((code) => code === value)
}

/** This century, near enough. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 1_600_000_000_000 && value < 4_000_000_000_000
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= AMOUNT_MINOR_MAX
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> & Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function countOfFields(value: object): number {
  return Object.keys(value).length
}

/** Every field that any message has, so that they can be taken apart by name. */
type Fields = {
  readonly [
    Name in
      | 'type'
      | 'merchant'
      | 'windowId'
      | 'idempotencyKey'
      | 'token'
      | 'amountMinor'
      | 'currency'
      | 'lastFour'
      | 'brand'
      | 'approvalCode'
      | 'declineCode'
      | 'code'
      | 'event'
      | 'cause'
      | 'instance'
      | 'occurredMs'
  ]?: unknown
}
