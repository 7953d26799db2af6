import type { Problem } from '../../wire/window-progress.ts'

/** Month and year, two digits each, as the vault takes it. */
export const EXPIRY_DIGITS = 4
/** Month and a year of four digits: what people key who read the year as a number. */
export const EXPIRY_DIGITS_MAX = 6
/** Month without its zero and two digits of the year. */
const EXPIRY_DIGITS_MIN = 3

/** Two digits name a year of this century: no card in use expires in another. */
const CENTURY = 2000
/** Issuers give ten years at most; what lies further off was keyed wrongly. The vault has the same limit. */
const YEARS_AHEAD_MAX = 20
const MONTHS_IN_YEAR = 12
/** A card is good to the end of its month; the last place on earth where a month ends is twelve hours behind UTC. */
const LAST_TIME_ZONE_MS = 12 * 3_600_000

export type ExpiryVerdict =
  | { readonly kind: 'good'; readonly month: number; readonly yearOfCentury: number }
  | { readonly kind: 'refused'; readonly code: Extract<Problem, 'too_short' | 'not_a_date' | 'expired'> }

/**
 * Reads the expiry (digit values) as payers key it: MMYY, MYY when `#` ended it, or MMYYYY. `nowMs` is the time since 1970
 * that decides what has passed.
 */
export function judgeExpiry(digits: Uint8Array, nowMs: number): ExpiryVerdict {
  if (digits.length < EXPIRY_DIGITS_MIN) return { kind: 'refused', code: 'too_short' }
  const monthDigits = digits.length === EXPIRY_DIGITS_MIN ? 1 : 2
  const month = valueOf(digits.subarray(0, monthDigits))
  const keyedYear = valueOf(digits.subarray(monthDigits))
  const year = keyedYear < 100 ? CENTURY + keyedYear : keyedYear
  const isDate = month >= 1 && month <= MONTHS_IN_YEAR && digits.length !== EXPIRY_DIGITS + 1
  if (!isDate || year < CENTURY) return { kind: 'refused', code: 'not_a_date' }
  const now = new Date(nowMs - LAST_TIME_ZONE_MS)
  const monthsLeft = (year - now.getUTCFullYear()) * MONTHS_IN_YEAR + (month - 1 - now.getUTCMonth())
  if (monthsLeft < 0) return { kind: 'refused', code: 'expired' }
  if (monthsLeft > YEARS_AHEAD_MAX * MONTHS_IN_YEAR) return { kind: 'refused', code: 'not_a_date' }
  return { kind: 'good', month, yearOfCentury: year % 100 }
}

/**
 * True when the expiry waits for no more digits. MM20 is the start of MM20YY rather than a date of 2020, which has
 * passed, so it waits for two more digits or `#`.
 */
export function isExpiryFull(digits: Uint8Array): boolean {
  return digits.length >= expiryDigitsMax(digits)
}

/** Digits that the expiry takes at most, as far as is known. */
export function expiryDigitsMax(digits: Uint8Array): number {
  return digits[2] === 2 && digits[3] === 0 ? EXPIRY_DIGITS_MAX : EXPIRY_DIGITS
}

function valueOf(digits: Uint8Array): number {
  return digits.reduce((value, digit) => value * 10 + digit, 0)
}
