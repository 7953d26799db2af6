import { EXPIRY_DIGITS, PAN_DIGITS_MAX } from '../card-body.ts'
import { secretBytes } from '../secret-bytes.ts'
import { seal, sealContext, unseal } from './seal.ts'

/** Always this long, so that the length of the seal does not tell the length of the number. */
const PLAIN_BYTES = 1 + PAN_DIGITS_MAX + 1 + EXPIRY_DIGITS
const EXPIRY_AT = 1 + PAN_DIGITS_MAX

/** Where a sealed card belongs: it opens in no other row, under no other merchant, with no other key. */
export type CardPlace = { readonly keyId: string; readonly merchant: string; readonly token: string }

/** Number and expiry as digit values, until wipe(). */
export type OpenCard = { readonly pan: Uint8Array; readonly expiry: Uint8Array; wipe(): void }

/**
 * Seals number and expiry together under the merchant's data key:
 *
 *      0     1                  20    21           25
 *     +-----+------------------+-----+------------+
 *     | p   | PAN, 0 after p   | e   | MMYY       |
 *     +-----+------------------+-----+------------+
 */
export function sealCard(
  card: { readonly pan: Uint8Array; readonly expiry: Uint8Array },
  key: Uint8Array,
  place: CardPlace,
): Buffer {
  const plain = secretBytes(PLAIN_BYTES)
  try {
    plain[0] = card.pan.length
    plain.set(card.pan, 1)
    plain[EXPIRY_AT] = card.expiry.length
    plain.set(card.expiry, EXPIRY_AT + 1)
    return seal(plain, key, contextOf(place))
  } finally {
    plain.fill(0)
  }
}

/** Null when key, place or bytes are not those it was sealed with. */
export function openCard(sealed: Uint8Array, key: Uint8Array, place: CardPlace): OpenCard | null {
  const plain = unseal(sealed, key, contextOf(place))
  if (plain === null) return null
  const panLength = plain[0] ?? 0
  const expiryLength = plain[EXPIRY_AT] ?? 0
  return {
    pan: plain.subarray(1, 1 + panLength),
    expiry: plain.subarray(EXPIRY_AT + 1, EXPIRY_AT + 1 + expiryLength),
    wipe: () => plain.fill(0),
  }
}

function contextOf(place: CardPlace): Buffer {
  return sealContext({ purpose: 'card', keyId: place.keyId, merchant: place.merchant, row: place.token })
}
