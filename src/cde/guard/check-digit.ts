/** Twice a digit, its own digits added. */
const DOUBLED = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9] as const

/**
 * The check digit of ISO/IEC 7812-1 annex B, over digit values: from the right every second digit is doubled, and the sum
 * ends in zero when the number is sound. The vault checks again with code of its own.
 */
export function hasGoodCheckDigit(digits: Uint8Array): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits[digits.length - 1 - index] ?? 0
    sum += index % 2 === 0 ? digit : (DOUBLED[digit] ?? 0)
  }
  return digits.length > 0 && sum % 10 === 0
}
