import { POUND_KEY, STAR_KEY } from './key-press.ts'

/** The body of one SIP INFO; a longer one is no key. */
export const INFO_BYTES_MAX = 258
/** A key lasts as long as this when the body does not say. */
const DURATION_MS_DEFAULT = 160
const DURATION_MS_MAX = 10_000

export type InfoParse =
  | { readonly kind: 'key'; readonly key: number; readonly durationMs: number }
  | { readonly kind: 'refused'; readonly code: 'too_long' | 'no_signal' | 'not_a_key' }

/**
 * Reads the body of a SIP INFO (RFC 6086 has no package for it; the two types are older custom): application/dtmf-relay
 * (`relay`) has lines `Signal= 5` and `Duration= 160`, application/dtmf has the key alone; what one type should have is
 * taken from the other too, since senders mix them up. Star and pound come as characters or as 10 and 11. Works on
 * bytes, so that no digit becomes a string. Never throws.
 */
export function parseInfo(body: Uint8Array, relay: boolean): InfoParse {
  if (body.length > INFO_BYTES_MAX) return { kind: 'refused', code: 'too_long' }
  const parsed = relay ? readLines(body) : readBare(body)
  if (parsed.kind === 'key') return parsed
  const mixedUp = relay ? readBare(body) : readLines(body)
  return mixedUp.kind === 'key' ? mixedUp : parsed
}

function readBare(body: Uint8Array): InfoParse {
  return keyOf(trim(body), DURATION_MS_DEFAULT)
}

function readLines(body: Uint8Array): InfoParse {
  let signal: Uint8Array | null = null
  let durationMs = DURATION_MS_DEFAULT
  for (const line of linesOf(body)) {
    const equals = line.indexOf(EQUALS)
    if (equals === -1) continue
    const name = trim(line.subarray(0, equals))
    const value = trim(line.subarray(equals + 1))
    if (isNamed(name, SIGNAL)) signal ??= value
    else if (isNamed(name, DURATION)) durationMs = Math.min(numberOf(value) ?? DURATION_MS_DEFAULT, DURATION_MS_MAX)
  }
  return signal === null ? { kind: 'refused', code: 'no_signal' } : keyOf(signal, durationMs)
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const EQUALS = 0x3d
const SPACE = 0x20
const ZERO = 0x30
const NINE = 0x39
/** Sets ASCII letters to lower case. */
const LOWER_BIT = 0x20
const LETTER_A = 0x61
const FIRST_LETTER_KEY = 12
const LETTER_KEYS = 4
const SIGNAL = Buffer.from('signal')
const DURATION = Buffer.from('duration')
/** More digits than any duration or key has. */
const NUMBER_DIGITS_MAX = 6

function keyOf(value: Uint8Array, durationMs: number): InfoParse {
  const [first] = value
  if (first === undefined) return { kind: 'refused', code: 'no_signal' }
  const key = value.length === 1 ? keyOfCharacter(first) : numberOf(value)
  if (key === null || key > POUND_KEY + LETTER_KEYS) return { kind: 'refused', code: 'not_a_key' }
  return { kind: 'key', key, durationMs }
}

function keyOfCharacter(character: number): number | null {
  if (character >= ZERO && character <= NINE) return character - ZERO
  if (character === 0x2a) return STAR_KEY
  if (character === 0x23) return POUND_KEY
  const letter = (character | LOWER_BIT) - LETTER_A
  return letter >= 0 && letter < LETTER_KEYS ? FIRST_LETTER_KEY + letter : null
}

function numberOf(value: Uint8Array): number | null {
  if (value.length === 0 || value.length > NUMBER_DIGITS_MAX) return null
  let number = 0
  for (const character of value) {
    if (character < ZERO || character > NINE) return null
    number = number * 10 + character - ZERO
  }
  return number
}

function isNamed(name: Uint8Array, wanted: Uint8Array): boolean {
  return name.length === wanted.length && name.every((character, index) => (character | LOWER_BIT) === wanted[index])
}

/** Without what is blank or a control character at either end. */
function trim(bytes: Uint8Array): Uint8Array {
  let start = 0
  let end = bytes.length
  while (start < end && (bytes[start] ?? 0) <= SPACE) start += 1
  while (end > start && (bytes[end - 1] ?? 0) <= SPACE) end -= 1
  return bytes.subarray(start, end)
}

/** Lines end with CR, LF or both. */
function linesOf(body: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = []
  let start = 0
  for (let at = 0; at <= body.length; at += 1) {
    const character = body[at]
    if (character !== undefined && character !== LINE_FEED && character !== CARRIAGE_RETURN) continue
    lines.push(body.subarray(start, at))
    start = at + 1
  }
  return lines
}
