import { integer, list, literal, nullable, record, text, type Shape, type Shaped } from './shape.ts'

/** What the guard lets out of a capture window. Nothing here can hold more of a card than its last four digits. */

export const maskingShape = literal('talk-through', 'hard')
export type Masking = Shaped<typeof maskingShape>

/** The fields that can be captured. A card PIN is not among them and cannot be configured (PCI PIN is out of scope). */
export const fieldNameShape = literal('card-number', 'expiry', 'card-code')
export type FieldName = Shaped<typeof fieldNameShape>

/** The brands that card-validator knows, by its own names. */
export const BRANDS = [
  'visa',
  'mastercard',
  'american-express',
  'diners-club',
  'discover',
  'jcb',
  'unionpay',
  'maestro',
  'mir',
  'elo',
  'hiper',
  'hipercard',
  'verve',
] as const
export const brandShape = literal(...BRANDS)
export type Brand = Shaped<typeof brandShape>

/** Letters only, so that an id can never hold digits. */
export const windowIdShape = text(/^[a-z]{16}$/)

/** Whose a card is: letters, digits and dashes, with fewer digits than a card number has. */
export const merchantShape = text(/^(?!(?:\D*\d){9})[a-z][a-z0-9-]{0,39}$/)

/** PCI DSS 3.4.1: of the number, the last four at most. Set only after the check digit passed. */
export const lastFourShape = text(/^\d{4}$/)

/**
 * Twenty random letters, one digit that breaks the check digit, and the last four. Of a merchant whose systems take digits only: as many as a card
 * has, beginning with 0, which no payment card does, and never passing the check digit.
 */
export const tokenShape: Shape<string> = (value): value is string => lettersToken(value) || isDigitsToken(value)

const lettersToken = text(/^tok_[a-z]{20}\d_\d{4}$/)
const digitsToken = text(/^0\d{12,18}$/)

function isDigitsToken(value: unknown): value is string {
  if (!digitsToken(value)) return false
  let sum = 0
  for (let index = 1; index <= value.length; index += 1) {
    const digit = Number(value.at(-index))
    // ISO/IEC 7812-1 annex B.
    sum += index % 2 === 0 ? 2 * digit - (digit > 4 ? 9 : 0) : digit
  }
  return sum % 10 !== 0
}

/** Why a field's digits were refused; the page has a sentence to say for each. */
export const problemShape = literal(
  'check_digit',
  'too_short',
  'unknown_brand',
  'brand_not_accepted',
  'expired',
  'not_a_date',
  'code_length',
  'keys_doubled',
  'inter_digit_timeout',
)
export type Problem = Shaped<typeof problemShape>

export const fieldProgressShape = record({
  name: fieldNameShape,
  state: literal('waiting', 'entering', 'accepted', 'refused'),
  /** Keys taken so far. */
  entered: integer(0, 19),
  /** Digits the field takes at most, as far as is known. */
  digitsMax: integer(1, 19),
  brand: nullable(brandShape),
  lastFour: nullable(lastFourShape),
  problem: nullable(problemShape),
  triesLeft: integer(0, 9),
})
export type FieldProgress = Shaped<typeof fieldProgressShape>

/** Why a window ended without a token. */
export const captureFailureShape = literal(
  'tries_exhausted',
  'time_limit',
  'vault_unavailable',
  'vault_refused',
  'guard_lost',
  'sentinel_alarm',
  'payer_media_lost',
)
export type CaptureFailure = Shaped<typeof captureFailureShape>

/**
 * masking: between the parties, taking no keys yet. capturing: keys fill fields. storing: the vault has been asked.
 * finished, cancelled, failed: no more keys are taken; masking stays until the window is released.
 */
export const windowProgressShape = record({
  state: literal('masking', 'capturing', 'storing', 'finished', 'cancelled', 'failed'),
  masking: maskingShape,
  fields: list(fieldProgressShape, 3),
  token: nullable(tokenShape),
  lastFour: nullable(lastFourShape),
  brand: nullable(brandShape),
  failure: nullable(captureFailureShape),
})
export type WindowProgress = Shaped<typeof windowProgressShape>
