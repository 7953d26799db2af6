import { secretBytes } from '../secret-bytes.ts'

const CHARACTER_ZERO = '0'.charCodeAt(0)

/**
 * Pieces of JSON in one buffer that the caller wipes: texts as UTF-8, digit values as characters. Digits go from their buffer into this one and
 * never become a string.
 */
export function joinedJson(parts: readonly (string | Uint8Array)[]): Buffer {
  const bytes = parts.reduce((sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : part.length), 0)
  const body = secretBytes(bytes)
  let offset = 0
  for (const part of parts) {
    if (typeof part === 'string') {
      offset += body.write(part, offset, 'utf8')
      continue
    }
    for (const digit of part) {
      body[offset] = CHARACTER_ZERO + digit
      offset += 1
    }
  }
  return body
}
