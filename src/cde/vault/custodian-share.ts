import { createHash } from 'node:crypto'
import { secretBytes } from '../secret-bytes.ts'

/** AES-256, and behind it the place of the share on the polynomial (shamir-secret-sharing puts it last). */
export const SHARE_BYTES = 33

/** Groups of four are read out and typed with the fewest mistakes. */
const GROUP = 4
/** Crockford's base 32: no I, L, O, U, so that nothing is taken for something else. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Told from a wrong share: a mistyped letter. */
const CHECK_BYTES = 2
const TEXT_BYTES_MAX = 256

/** SHA-256 of a share: tells a right one from a wrong one, and nothing of the key, since a share is as random as the key. */
export function shareDigest(share: Uint8Array): Buffer {
  return createHash('sha256').update('tonewall custodian share').update(share).digest()
}

/** What a custodian keeps: share and check, in groups, as ASCII bytes in memory that the caller wipes. */
export function writeShare(share: Uint8Array): Buffer {
  const checked = secretBytes(SHARE_BYTES + CHECK_BYTES)
  checked.set(share)
  checked.set(shareDigest(share).subarray(0, CHECK_BYTES), SHARE_BYTES)
  const letters = (checked.length * 8) / 5
  const text = secretBytes(letters + Math.ceil(letters / GROUP) - 1)
  let at = 0
  for (let index = 0; index < letters; index += 1) {
    if (index > 0 && index % GROUP === 0) text[at++] = DASH
    text[at++] = LETTERS.charCodeAt(fiveBits(checked, index))
  }
  checked.fill(0)
  return text
}

/** Reads what a custodian typed; small letters, dashes and blanks do not matter. Null when it is no share. The caller wipes both. */
export function readShare(text: Uint8Array): Buffer | null {
  if (text.length > TEXT_BYTES_MAX) return null
  const checked = secretBytes(SHARE_BYTES + CHECK_BYTES)
  let index = 0
  for (const byte of text) {
    if (byte === DASH || byte === BLANK || byte === LINE_END || byte === RETURN) continue
    const value = valueOf(byte)
    if (value < 0 || index >= (checked.length * 8) / 5) return wiped(checked)
    putFiveBits(checked, index, value)
    index += 1
  }
  if (index !== (checked.length * 8) / 5) return wiped(checked)
  const share = secretBytes(SHARE_BYTES)
  share.set(checked.subarray(0, SHARE_BYTES))
  const isRight = shareDigest(share).subarray(0, CHECK_BYTES).equals(checked.subarray(SHARE_BYTES))
  checked.fill(0)
  return isRight ? share : wiped(share)
}

const DASH = 0x2d
const BLANK = 0x20
const LINE_END = 0x0a
const RETURN = 0x0d
const SMALL = 0x20

function valueOf(byte: number): number {
  const letter = byte >= 0x61 && byte <= 0x7a ? byte - SMALL : byte
  // As Crockford reads them.
  if (letter === 0x4f) return 0
  if (letter === 0x49 || letter === 0x4c) return 1
  return LETTERS.indexOf(String.fromCharCode(letter))
}

function fiveBits(bytes: Uint8Array, index: number): number {
  const bit = index * 5
  const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
  return (pair >> (11 - (bit & 7))) & 31
}

function putFiveBits(bytes: Uint8Array, index: number, value: number): void {
  const bit = index * 5
  const shifted = value << (11 - (bit & 7))
  const [first, second] = [bit >> 3, (bit >> 3) + 1]
  bytes[first] = (bytes[first] ?? 0) | (shifted >> 8)
  if (second < bytes.length) bytes[second] = (bytes[second] ?? 0) | (shifted & 255)
}

function wiped(bytes: Buffer): null {
  bytes.fill(0)
  return null
}
