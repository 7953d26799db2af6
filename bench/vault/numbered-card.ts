const BIN = [4, 1, 1, 1, 1, 1] as const
const INDEX_DIGITS = 9

/** Digit values of a synthetic card number of sixteen digits, another for each index below 10^9, with its check digit (ISO/IEC 7812-1). */
export function panOf(index: number): Uint8Array {
  const pan = new Uint8Array(BIN.length + INDEX_DIGITS + 1)
  pan.set(BIN)
  for (let at = BIN.length + INDEX_DIGITS - 1, rest = index; at >= BIN.length; at -= 1, rest = Math.floor(rest / 10)) {
    pan[at] = rest % 10
  }
  let sum = 0
  for (let at = pan.length - 2; at >= 0; at -= 1) {
    const digit = pan[at] ?? 0
    const counted = (pan.length - at) % 2 === 0 ? 2 * digit : digit
    sum += counted > 9 ? counted - 9 : counted
  }
  pan[pan.length - 1] = (10 - (sum % 10)) % 10
  return pan
}
