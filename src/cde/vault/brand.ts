import type { Brand } from '../vault-protocol.ts'

/**
 * The card brand by the first digits (values) of a number. Public issuer ranges; the first match counts, so a narrow range
 * stands before the wide one that holds it. 'unknown' is no reason to refuse: the check digit and length decide.
 */
export function brandOf(pan: Uint8Array): Brand {
  return RANGES.find(([, first, last]) => startsWithin(pan, first, last))?.[0] ?? 'unknown'
}

type Range = readonly [brand: Brand, first: readonly number[], last: readonly number[]]

const RANGES: readonly Range[] = [
  ['american-express', [3, 4], [3, 4]],
  ['american-express', [3, 7], [3, 7]],
  ['diners-club', [3, 0, 0], [3, 0, 5]],
  ['diners-club', [3, 6], [3, 6]],
  ['diners-club', [3, 8], [3, 9]],
  ['jcb', [3, 5, 2, 8], [3, 5, 8, 9]],
  ['jcb', [2, 1, 3, 1], [2, 1, 3, 1]],
  ['jcb', [1, 8, 0, 0], [1, 8, 0, 0]],
  ['visa', [4], [4]],
  ['mastercard', [5, 1], [5, 5]],
  ['mastercard', [2, 2, 2, 1], [2, 7, 2, 0]],
  ['discover', [6, 0, 1, 1], [6, 0, 1, 1]],
  ['discover', [6, 4, 4], [6, 4, 9]],
  ['discover', [6, 5], [6, 5]],
  ['unionpay', [6, 2], [6, 2]],
  ['unionpay', [8, 1], [8, 1]],
  ['maestro', [5, 0], [5, 0]],
  ['maestro', [5, 6], [5, 9]],
  ['maestro', [6], [6]],
]

function startsWithin(pan: Uint8Array, first: readonly number[], last: readonly number[]): boolean {
  return compareStart(pan, first) >= 0 && compareStart(pan, last) <= 0
}

function compareStart(pan: Uint8Array, prefix: readonly number[]): number {
  for (const [index, digit] of prefix.entries()) {
    const difference = (pan[index] ?? -1) - digit
    if (difference !== 0) return difference
  }
  return 0
}
