import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { hideCardNumbers } from '../../kit/card-shaped.ts'
import { passesCheckDigit } from './check-digit.ts'
import type { TokenOptions } from './token-options.ts'

/** `tok_`, twenty random letters, one digit, `_`, the card's last four; or as many digits as a card has, the first of them 0. */
export const TOKEN_PATTERN = /^(?:tok_[a-z]{20}\d_\d{4}|0\d{12,18})$/

/** 26^20 is 94 bits: nobody guesses one, and two never meet. */
const LETTERS = 20
const FIRST_LETTER = 'a'.charCodeAt(0)
const LETTERS_IN_ALPHABET = 26
const LAST_DIGITS = 4
/** Of a card of 13 digits, 8 are drawn: with ten million of its last four in use, all of so many are taken once in a million million. */
const CANDIDATES = 12
/** Three in ten are good at least, so that nobody ever draws this often. */
const DRAWS_MAX = 10_000

/** Tokens to choose from for a card number (digit values): one that nobody has, or several that somebody might have. */
export function newTokens(pan: Uint8Array, format: TokenOptions['format']): readonly string[] {
  return format === 'letters' ? [newToken(pan)] : Array.from({ length: CANDIDATES }, () => newDigitsToken(pan))
}

/**
 * Makes a token that is as long as the card's number, and digits only, for systems that take nothing else. It tells the last four and how
 * long the number is. No payment card begins with 0 (ISO/IEC 7812-1 keeps it for other industries), and neither the token nor
 * any piece of it passes the check digit and begins like a card: whoever looks for card numbers does not find one in it.
 */
export function newDigitsToken(pan: Uint8Array): string {
  for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
    const drawn = Array.from({ length: pan.length - 1 - LAST_DIGITS }, () => randomInt(10))
    const token = '0' + drawn.join('') + lastFourOf(pan)
    if (hideCardNumbers(token) === token) return token
  }
  assert.fail('no token in ten thousand')
}

/**
 * Makes a token of letters for a card number (digit values). It tells the last four, which PCI DSS 3.4.1 lets be shown, and nothing else. The digit in front
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
