import assert from 'node:assert/strict'
import { secretBytes } from './secret-bytes.ts'

/**
 * Card digits as the guard lends them: one byte per digit, its value 0 to 9, not its character. An empty expiry or card
 * code means that the form did not ask for it. Expiry is MMYY, as it is keyed.
 */
export type Card = { readonly pan: Uint8Array; readonly expiry: Uint8Array; readonly cardCode: Uint8Array }

/** A card number has at most 19 digits (ISO/IEC 7812-1). */
export const PAN_DIGITS_MAX = 19
/** Month and year, two digits each. */
export const EXPIRY_DIGITS = 4
/** American Express prints four, the others three. */
export const CARD_CODE_DIGITS_MAX = 4

/** Three fields, each with its length in front. */
export const CARD_BODY_BYTES_MAX = 3 + PAN_DIGITS_MAX + EXPIRY_DIGITS + CARD_CODE_DIGITS_MAX

/**
 * Puts the digits into one buffer that the caller wipes:
 *
 *      0       1           1+p     2+p            2+p+e   3+p+e
 *     +-------+-----------+-------+--------------+-------+--------------+
 *     | p     | PAN       | e     | expiry, MMYY | c     | card code    |
 *     +-------+-----------+-------+--------------+-------+--------------+
 *      1 byte  p bytes     1 byte  e = 0 or 4     1 byte  c = 0 to 4
 *
 * The digits are copied before it returns, so the views may be lent for this call only.
 */
export function composeCardBody(card: Card): Buffer {
  assert(card.pan.length <= PAN_DIGITS_MAX, 'pan too long')
  assert(card.expiry.length <= EXPIRY_DIGITS, 'expiry too long')
  assert(card.cardCode.length <= CARD_CODE_DIGITS_MAX, 'card code too long')
  const fields = [card.pan, card.expiry, card.cardCode]
  const body = secretBytes(fields.reduce((bytes, field) => bytes + 1 + field.length, 0))
  let offset = 0
  for (const field of fields) {
    body[offset] = field.length
    body.set(field, offset + 1)
    offset += 1 + field.length
  }
  return body
}

/**
 * Reads the layout above. The card is made of views into the body: wiping the body wipes the card. Null when a length is out
 * of its limits, a byte is no digit, or bytes are left over.
 */
export function parseCardBody(body: Buffer): Card | null {
  if (body.length > CARD_BODY_BYTES_MAX) return null
  const pan = fieldAt(body, 0, PAN_DIGITS_MAX)
  if (pan === null) return null
  const expiry = fieldAt(body, 1 + pan.length, EXPIRY_DIGITS)
  if (expiry === null || (expiry.length !== 0 && expiry.length !== EXPIRY_DIGITS)) return null
  const cardCode = fieldAt(body, 2 + pan.length + expiry.length, CARD_CODE_DIGITS_MAX)
  if (cardCode === null || 3 + pan.length + expiry.length + cardCode.length !== body.length) return null
  return { pan, expiry, cardCode }
}

function fieldAt(body: Buffer, offset: number, digitsMax: number): Buffer | null {
  const length = body[offset]
  if (length === undefined || length > digitsMax || offset + 1 + length > body.length) return null
  const field = body.subarray(offset + 1, offset + 1 + length)
  return field.every((digit) => digit <= 9) ? field : null
}
