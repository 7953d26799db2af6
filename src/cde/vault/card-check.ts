import type { Card } from '../card-body.ts'
import { passesCheckDigit } from './check-digit.ts'

export type CardRefusal = 'pan_length' | 'check_digit_failed' | 'expiry_month' | 'expired' | 'card_code_length'

/** ISO/IEC 7812-1 allows fewer than 13, but no payment brand issues them. */
const PAN_DIGITS_MIN = 13
const CARD_CODE_DIGITS_MIN = 3
/** The last place on earth where a month ends is twelve hours behind UTC. */
const LAST_TIME_ZONE_MS = 12 * 3_600_000
const MONTHS_IN_YEAR = 12
/** Two digits name years of this century: no card in use was issued in another. */
const CENTURY = 2000
/** No issuer goes past this; a year further off was keyed wrongly. */
const YEARS_AHEAD_MAX = 20

/**
 * Whether the vault takes the card. The guard has checked it before, more closely; the vault checks again because it
 * trusts no caller. Returns null when the card is good. A good card is never refused for an unknown brand.
 */
export function refusalOf(card: Card, nowMs: number): CardRefusal | null {
  if (card.pan.length < PAN_DIGITS_MIN) return 'pan_length'
  if (!passesCheckDigit(card.pan)) return 'check_digit_failed'
  if (card.cardCode.length > 0 && card.cardCode.length < CARD_CODE_DIGITS_MIN) return 'card_code_length'
  return card.expiry.length === 0 ? null : refusalOfExpiry(card.expiry, nowMs)
}

function refusalOfExpiry(expiry: Uint8Array, nowMs: number): CardRefusal | null {
  const [monthTens = 0, monthOnes = 0, yearTens = 0, yearOnes = 0] = expiry
  const month = 10 * monthTens + monthOnes
  if (month < 1 || month > MONTHS_IN_YEAR) return 'expiry_month'
  const year = CENTURY + 10 * yearTens + yearOnes
  const now = new Date(nowMs - LAST_TIME_ZONE_MS)
  const monthsLeft = (year - now.getUTCFullYear()) * MONTHS_IN_YEAR + (month - 1 - now.getUTCMonth())
  return monthsLeft < 0 || monthsLeft > YEARS_AHEAD_MAX * MONTHS_IN_YEAR ? 'expired' : null
}
