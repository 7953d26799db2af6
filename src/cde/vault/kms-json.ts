import { secretBytes } from '../secret-bytes.ts'

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const QUOTE = 0x22
const COLON = 0x3a
const PAD = 0x3d
const BLANKS: readonly number[] = [0x20, 0x09, 0x0a, 0x0d]
const VALUES = new Map(Array.from(LETTERS, (letter, value) => [letter.charCodeAt(0), value]))

/**
 * A JSON object of texts, in bytes: a KMS takes keys as base64 in JSON, and a text cannot be overwritten. `secret` stands at its end in base64; the
 * caller wipes the result.
 */
export function jsonWithSecret(
  fields: Readonly<Record<string, unknown>>,
  secret: { readonly name: string; readonly bytes: Uint8Array },
): Buffer {
  const head = Buffer.from(JSON.stringify({ ...fields, [secret.name]: '' }).slice(0, -'"}'.length), 'utf8')
  const length = 4 * Math.ceil(secret.bytes.length / 3)
  const whole = secretBytes(head.length + length + 2)
  whole.set(head)
  writeBase64(secret.bytes, whole.subarray(head.length))
  whole.write('"}', head.length + length)
  return whole
}

/** The base64 of a text field, decoded from the bytes of a JSON object. Null where it has no such field. The caller wipes it. */
export function secretField(json: Buffer, name: string): Buffer | null {
  let at = json.indexOf('"' + name + '"')
  if (at < 0) return null
  at = skipBlanks(json, at + name.length + 2)
  if (json[at] !== COLON) return null
  at = skipBlanks(json, at + 1)
  if (json[at] !== QUOTE) return null
  const end = json.indexOf(QUOTE, at + 1)
  return end < 0 ? null : readBase64(json.subarray(at + 1, end))
}

function writeBase64(bytes: Uint8Array, to: Buffer): void {
  let out = 0
  for (let at = 0; at < bytes.length; at += 3) {
    const [one = 0, two = 0, three = 0] = bytes.subarray(at, at + 3)
    const group = (one << 16) | (two << 8) | three
    for (const shift of [18, 12, 6, 0]) to[out++] = LETTERS.charCodeAt((group >> shift) & 63)
    for (let left = bytes.length - at; left < 3; left += 1) to[out - 3 + left] = PAD
  }
}

/** RFC 4648 section 4, padded. Null for anything else. */
function readBase64(text: Buffer): Buffer | null {
  if (text.length === 0 || text.length % 4 !== 0) return null
  const pads = text.at(-1) !== PAD ? 0 : text.at(-2) !== PAD ? 1 : 2
  const bytes = secretBytes((text.length / 4) * 3 - pads)
  for (let at = 0, out = 0; at < text.length; at += 4) {
    let group = 0
    for (let index = at; index < at + 4; index += 1) {
      const value = index >= text.length - pads ? 0 : VALUES.get(text[index] ?? 0)
      if (value === undefined) {
        bytes.fill(0)
        return null
      }
      group = (group << 6) | value
    }
    for (const shift of [16, 8, 0]) if (out < bytes.length) bytes[out++] = (group >> shift) & 255
  }
  return bytes
}

function skipBlanks(json: Buffer, from: number): number {
  let at = from
  while (BLANKS.includes(json[at] ?? 0)) at += 1
  return at
}
