/** Public test card of the brand's documentation, an expiry in the future, and a code. */
const CARD_KEYS = '4111111111111111#'
const CODE_KEYS = '123'

/** The keys that the demonstration's customer presses, one string for each field. Only the number needs its `#`. */
export function fieldKeys(today: Date): readonly string[] {
  return [CARD_KEYS, expiryKeys(today), CODE_KEYS]
}

/** MMYY, December of the year after next. */
function expiryKeys(today: Date): string {
  return `12${String((today.getUTCFullYear() + 2) % 100).padStart(2, '0')}`
}
