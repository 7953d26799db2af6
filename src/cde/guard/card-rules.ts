import cardValidator from 'card-validator'
import { BRANDS, type Brand } from '../../wire/window-progress.ts'
import { hasGoodCheckDigit } from './check-digit.ts'

/** What a brand's numbers look like, as card-validator has it. */
export type CardBrand = {
  readonly brand: Brand
  /** Lengths of the number, ascending. */
  readonly lengths: readonly number[]
  /** Digits of the code on the card. */
  readonly codeDigits: number
}

/** ISO/IEC 7812-1 allows fewer, and card-validator lists Maestro at 12, but no payment brand issues them and the vault takes none. */
export const PAN_DIGITS_MIN = 13
/** ISO/IEC 7812-1. */
export const PAN_DIGITS_MAX = 19
/** Where the brand is not known (a form without a card number), a code may have either length. */
export const CODE_DIGITS_MIN = 3
export const CODE_DIGITS_MAX = 4

/**
 * The length that nearly every number of a brand has, though longer ones are allowed. A number of that length that passes
 * the check digit is complete without waiting: of the rare longer numbers one in ten is cut short by this, and is then
 * declined by its issuer. UnionPay and Maestro really issue several lengths, so they have none here and wait for `#`, the
 * greatest length or a pause.
 */
const USUAL_LENGTH: { readonly [Name in Brand]?: number } = {
  visa: 16,
  discover: 16,
  jcb: 16,
  mir: 16,
  verve: 16,
  'diners-club': 14,
}

export type NumberVerdict =
  | { readonly kind: 'good'; readonly brand: Brand }
  | {
      readonly kind: 'refused'
      readonly code: 'unknown_brand' | 'brand_not_accepted' | 'too_short' | 'check_digit'
      readonly brand: Brand | null
    }

/**
 * The brand whose ranges fit these digits (values 0 to 9), or null while several fit or none does. card-validator's
 * functions take strings, which cannot be wiped, so the table it works from is read once and compared with bytes here: no digit of a card ever becomes a string.
 */
export function brandOf(digits: Uint8Array): CardBrand | null {
  let best: Range | null = null
  for (const brand of TABLE) {
    const fit = brand.ranges.find((range) => fits(digits, range))
    if (fit === undefined) continue
    // As long as one brand that fits asks for more digits than there are, the brand is open.
    if (fit.first.length > digits.length) return null
    if (best === null || fit.first.length > best.first.length) best = fit
  }
  return best?.of ?? null
}

/** True while digits to come could still make a brand of it. */
export function someBrandFits(digits: Uint8Array): boolean {
  return TABLE.some((brand) => brand.ranges.some((range) => fits(digits, range)))
}

/** Digits that the number takes at most, as far as is known. */
export function panDigitsMax(digits: Uint8Array): number {
  return brandOf(digits)?.lengths.at(-1) ?? PAN_DIGITS_MAX
}

/** True when no further digit is to be waited for: the brand's greatest length, or its usual one with a good check digit. */
export function isPanFull(digits: Uint8Array): boolean {
  if (digits.length >= PAN_DIGITS_MAX) return true
  const brand = brandOf(digits)
  if (brand === null) return false
  if (digits.length >= (brand.lengths.at(-1) ?? PAN_DIGITS_MAX)) return true
  return digits.length === USUAL_LENGTH[brand.brand] && hasGoodCheckDigit(digits)
}

/**
 * Whether a finished number is good: a brand that the form accepts (an empty list accepts all), a length of that brand, the check digit (ISO/IEC
 * 7812-1 annex B; also for UnionPay, since the vault asks it of all).
 */
export function judgePan(digits: Uint8Array, accepted: readonly Brand[]): NumberVerdict {
  const brand = brandOf(digits)
  if (brand === null) {
    const code = digits.length < PAN_DIGITS_MIN && someBrandFits(digits) ? 'too_short' : 'unknown_brand'
    return { kind: 'refused', code, brand: null }
  }
  const refused = (code: 'brand_not_accepted' | 'too_short' | 'check_digit'): NumberVerdict => ({
    kind: 'refused',
    code,
    brand: brand.brand,
  })
  if (accepted.length > 0 && !accepted.includes(brand.brand)) return refused('brand_not_accepted')
  if (!brand.lengths.includes(digits.length)) return refused('too_short')
  return hasGoodCheckDigit(digits) ? { kind: 'good', brand: brand.brand } : refused('check_digit')
}

/** Digits of the card code for a brand. */
export function codeDigitsOf(brand: Brand): number {
  return TABLE.find((entry) => entry.brand === brand)?.codeDigits ?? CODE_DIGITS_MIN
}

/** First and last prefix of a range, digit values of one length. */
type Range = { readonly of: CardBrand; readonly first: Uint8Array; readonly last: Uint8Array }
type BrandRanges = CardBrand & { readonly ranges: readonly Range[] }

/** The brands of the wire; card-validator's two others are domestic schemes that also run on a brand named here. */
const TABLE: readonly BrandRanges[] = cardValidator.creditCardType.default('').flatMap((type) => {
  const name = BRANDS.find((brand) => brand === type.type)
  if (name === undefined) return []
  const lengths = type.lengths.filter((length) => length >= PAN_DIGITS_MIN).sort((a, b) => a - b)
  const of: CardBrand = { brand: name, lengths, codeDigits: type.code.size }
  const ranges = type.patterns.map((pattern): Range => {
    const [first, last] = typeof pattern === 'number' ? [pattern, pattern] : pattern
    return { of, first: digitsOf(first ?? 0), last: digitsOf(last ?? 0) }
  })
  return [{ ...of, ranges }]
})

/** Digit values of a range's limit, which is public and not of a card. */
function digitsOf(prefix: number): Uint8Array {
  return Uint8Array.from(String(prefix), Number)
}

/** Compares as many digits as both have. */
function fits(digits: Uint8Array, range: Range): boolean {
  return compare(digits, range.first) >= 0 && compare(digits, range.last) <= 0
}

function compare(digits: Uint8Array, limit: Uint8Array): number {
  const length = Math.min(digits.length, limit.length)
  for (let index = 0; index < length; index += 1) {
    const difference = (digits[index] ?? 0) - (limit[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
