/**
 * The text with each number that could be a card's shown as dots, one for a digit: 13 to 19 digits (ISO/IEC 7812-1) whose
 * check digit fits (annex B), parted or not, percent-escaped or not. Somebody may key a card into a place that is for
 * telephone numbers. Longer runs are searched for one that begins as bank cards do. About one in ten other numbers
 * of that length is hidden too.
 */
export function hideCardNumbers(text: string): string {
  if (!hasDigitRun(text)) return text
  return text.replace(LONG_NUMBER, (found) => {
    const pieces = found.match(PIECE) ?? []
    const digits = pieces.filter((piece) => piece !== SPACE).map((piece) => Number(piece.at(-1)))
    return holdsCardNumber(digits) ? found.replace(PIECE, (piece) => (piece === SPACE ? piece : '.')) : found
  })
}

/**
 * False for nearly every text, and a fifth as dear as the expression below: whether enough digits stand among digits and
 * what may part them. Escapes are of the same characters.
 */
function hasDigitRun(text: string): boolean {
  let digits = 0
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code >= DIGIT_0 && code <= DIGIT_9) {
      digits += 1
      if (digits === DIGITS_MIN) return true
    } else if (code > 0x7f || PARTING[code] === 0) digits = 0
  }
  return false
}

const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
/** By character: 1 for what may stand between two digits of LONG_NUMBER, and for the sign of an escape. */
const PARTING = new Uint8Array(0x80)
for (const character of ' .-_+%') PARTING[character.charCodeAt(0)] = 1

/** An escaped space, a digit, or one that is escaped as RFC 3986 allows. */
const PIECE = /%20|%3\d|\d/g
const SPACE = '%20'
const LONG_NUMBER = /(?:%3\d|\d)(?:(?:%20|[ .\-_+])?(?:%3\d|\d)){12,}/g

const DIGITS_MIN = 13
const DIGITS_MAX = 19
/** Nobody's telephone number: hidden unlooked at, so that no text can make the search long. */
const SEARCHED_MAX = 64

function holdsCardNumber(digits: readonly number[]): boolean {
  if (digits.length > SEARCHED_MAX) return true
  if (digits.length <= DIGITS_MAX && checkDigitFits(digits)) return true
  for (let start = 0; start + DIGITS_MIN <= digits.length; start += 1) {
    const first = digits[start] ?? 0
    // Major industry identifiers of cards for payments.
    if (first < 2 || first > 6) continue
    for (let length = DIGITS_MIN; length <= DIGITS_MAX && start + length <= digits.length; length += 1)
      if (checkDigitFits(digits.slice(start, start + length))) return true
  }
  return false
}

function checkDigitFits(digits: readonly number[]): boolean {
  let sum = 0
  digits.forEach((digit, index) => {
    const isDoubled = (digits.length - index) % 2 === 0
    sum += isDoubled ? (digit * 2 > 9 ? digit * 2 - 9 : digit * 2) : digit
  })
  return sum % 10 === 0
}
