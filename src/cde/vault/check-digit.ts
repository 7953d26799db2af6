/**
 * The check digit of ISO/IEC 7812-1 annex B (Luhn), over digit values 0 to 9. From the right, every second digit is doubled
 * and its own digits are added; the sum ends in zero when the number is sound. Runs over all digits, whatever they are.
 */
export function passesCheckDigit(digits: Uint8Array): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index += 1) {
    const digit = digits[digits.length - 1 - index] ?? 0
    const doubled = index % 2 === 0 ? digit : digit * 2
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return digits.length > 0 && sum % 10 === 0
}
