import { randomInt } from 'node:crypto'
import { passesCheckDigit } from './check-digit.ts'

/** `tok_`, twenty random letters, one digit, `_`, the card's last four. */
export const TOKEN_PATTERN = /^tok_[a-z]{20}\d_\d{4}$/

/** 26^20 is 94 bits: nobody guesses one, and two never meet. */
const LETTERS = 20
const FIRST_LETTER = 'a'.charCodeAt(0)
const LETTERS_IN_ALPHABET = 26
const LAST_DIGITS = 4

/**
 * Makes a token for a card number (digit values). It tells the last four, which PCI DSS 3.4.1 lets be shown, and nothing else. The digit in front
 * of them is drawn from the nine that make the five digits fail the check digit, so that no scanner, form or person can
 * take a token for a card number.
 */
export function newToken(pan: Uint8Array): string {
  const last = pan.subarray(pan.length - LAST_DIGITS)
  const unsound = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((digit) => !passesCheckDigit(Uint8Array.of(digit, ...last)))
  const digit = unsound[randomInt(unsound.length)] ?? 0
  return 'tok_' + randomLetters(LETTERS) + String(digit) + '_' + lastFourOf(pan)
}

/** The last four digits as text. */
export function lastFourOf(pan: Uint8Array): string {
  return pan.subarray(pan.length - LAST_DIGITS).join('')
}

/** Letters only: a name that is random and can still never look like digits of a card. */
export function randomLetters(count: number): string {
  return Array.from({ length: count }, () => String.fromCharCode(FIRST_LETTER + randomInt(LETTERS_IN_ALPHABET))).join(
    '',
  )
}
