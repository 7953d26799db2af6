import type { Card } from '../../src/cde/card-body.ts'

/** Public test numbers of the brands; no account stands behind them. */
export const TEST_PANS = {
  visa: '4111111111111111',
  mastercard: '5555555555554444',
  'american-express': '378282246310005',
  'diners-club': '30569309025904',
  discover: '6011111111111117',
  jcb: '3530111333300000',
  unionpay: '6200000000000005',
} as const

/** Digit values of a text of digits. */
export function digits(text: string): Uint8Array {
  return Uint8Array.from(text, Number)
}

export function testCard(
  card: { readonly pan?: string; readonly expiry?: string; readonly cardCode?: string } = {},
): Card {
  const { pan = TEST_PANS.visa, expiry = goodExpiry(), cardCode = '' } = card
  return { pan: digits(pan), expiry: digits(expiry), cardCode: digits(cardCode) }
}

/** December, three years from now: the tests do not wear out. */
function goodExpiry(): string {
  return `12${String((new Date().getUTCFullYear() + 3) % 100).padStart(2, '0')}`
}

/** The test card of a number: sixteen digits, sound, different for each index below a thousand million. */
export function numberedPan(index: number): string {
  const front = `400000${String(index).padStart(9, '0')}`
  const check = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].find((digit) => isSound(`${front}${digit}`))
  return `${front}${check ?? 0}`
}

/** The check digit worked out another way than the product does: by the table of doubled digits. */
export function isSound(pan: string): boolean {
  const doubled = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
  const values = Array.from(pan, Number).reverse()
  return values.reduce((sum, digit, index) => sum + (index % 2 === 0 ? digit : (doubled[digit] ?? 0)), 0) % 10 === 0
}
