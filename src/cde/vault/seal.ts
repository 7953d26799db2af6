import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes, randomFillSync } from 'node:crypto'
import { secretBytes } from '../secret-bytes.ts'

/** AES-256 (FIPS 197). */
export const SEAL_KEY_BYTES = 32

const CIPHER = 'aes-256-gcm'
/** Lets a later layout be told apart. */
const LAYOUT = 1
/** NIST SP 800-38D 8.2.2: a random 96 bit nonce, good for 2^32 seals under one key. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + NONCE_BYTES + TAG_BYTES

/**
 * Seals bytes under a key, bound to a context that must be told again to open them. What is returned lies where it stays, so that a seal
 * can be wiped like what is in it: whoever reads the memory reads the key, too.
 *
 *      0         1         13        29
 *     +---------+---------+---------+--------------+
 *     | layout  | nonce   | tag     | ciphertext   |
 *     +---------+---------+---------+--------------+
 */
export function seal(plain: Uint8Array, key: Uint8Array, context: Buffer): Buffer {
  // A key that was shredded, or whose vault has closed, is overwritten: nothing may be sealed with what is left.
  assert(
    key.some((byte) => byte !== 0),
    'seal after wipe',
  )
  const sealed = secretBytes(HEAD_BYTES + plain.length)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(context)
  const ciphertext = cipher.update(plain)
  cipher.final()
  sealed[0] = LAYOUT
  sealed.set(nonce, 1)
  sealed.set(cipher.getAuthTag(), 1 + NONCE_BYTES)
  sealed.set(ciphertext, HEAD_BYTES)
  ciphertext.fill(0)
  return sealed
}

/** Opens what seal made. The caller wipes the result. Null for a wrong key, a wrong context or a changed byte. */
export function unseal(sealed: Uint8Array, key: Uint8Array, context: Buffer): Buffer | null {
  if (sealed.length < HEAD_BYTES || sealed[0] !== LAYOUT) return null
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAAD(context)
  decipher.setAuthTag(sealed.subarray(1 + NONCE_BYTES, HEAD_BYTES))
  const plain = decipher.update(sealed.subarray(HEAD_BYTES))
  try {
    decipher.final()
    return plain
  } catch {
    plain.fill(0)
    return null
  }
}

/** A random key; the caller wipes it. */
export function newSealKey(): Buffer {
  return randomFillSync(secretBytes(SEAL_KEY_BYTES))
}

/** What a seal is bound to. Each part has its length in front, so that no two contexts read the same. */
export function sealContext(context: {
  readonly purpose: 'data-key' | 'card' | 'card-code'
  readonly keyId: string
  readonly merchant: string
  /** The token of the row, or the id of the key that is wrapped. */
  readonly row: string
}): Buffer {
  return lengthPrefixed(['tonewall-vault', context.purpose, context.keyId, context.merchant, context.row])
}

/** Texts as bytes with a 32 bit length in front of each. */
export function lengthPrefixed(texts: readonly string[]): Buffer {
  const parts = texts.flatMap((text) => {
    const bytes = Buffer.from(text, 'utf8')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return [length, bytes]
  })
  return Buffer.concat(parts)
}
