import { getRawPointer } from 'node:ffi'
import {
  bytes,
  CKA,
  CKK_AES,
  CKM,
  CKO_SECRET_KEY,
  Pkcs11Failure,
  Pkcs11Library,
  type Attribute,
  type Mechanism,
} from './pkcs11-library.ts'

/** AES-256 (FIPS 197). */
const KEY_BYTES = 32
/** Lets a later layout be told apart. */
const LAYOUT = 1
/** NIST SP 800-38D 8.2.2. */
const NONCE_BYTES = 12
const TAG_BITS = 128
const HEAD_BYTES = 1 + NONCE_BYTES
const WORD_BYTES = 8

export type TokenPlace = { readonly library: string; readonly token: string; readonly key: string }

/** no_token, no_key: nothing has this label. ambiguous: more than one has. */
export type TokenProblem = {
  readonly kind: 'refused'
  readonly code: 'no_token' | 'no_key' | 'ambiguous' | 'key_exists'
}

export type OpenToken = { readonly kind: 'open'; readonly token: Pkcs11Token }

/** One AES-256 key in a token, which it never leaves: wraps and unwraps by AES-GCM inside of the HSM. */
export class Pkcs11Token {
  readonly isExtractable: boolean
  readonly #library: Pkcs11Library
  readonly #session: bigint
  readonly #key: bigint

  private constructor(library: Pkcs11Library, session: bigint, key: bigint) {
    this.#library = library
    this.#session = session
    this.#key = key
    // A token that does not say is taken at its worst.
    this.isExtractable = library.flagOf(session, key, CKA.extractable) !== false
  }

  /** Logs in and finds the key. Throws Pkcs11Failure. */
  static open(place: TokenPlace, pin: Buffer): OpenToken | TokenProblem {
    const library = new Pkcs11Library(place.library)
    const session = sessionOn(library, place.token, pin, { mayWrite: false })
    if (typeof session !== 'bigint') return session
    const [key, ...more] = library.find(session, templateOf(place.key))
    if (key === undefined) return { kind: 'refused', code: 'no_key' }
    if (more.length > 0) return { kind: 'refused', code: 'ambiguous' }
    return { kind: 'open', token: new Pkcs11Token(library, session, key) }
  }

  /** Has the token make the key, which it will not give away. Throws Pkcs11Failure. */
  static make(place: TokenPlace, pin: Buffer): { readonly kind: 'made' } | TokenProblem {
    const library = new Pkcs11Library(place.library)
    const session = sessionOn(library, place.token, pin, { mayWrite: true })
    if (typeof session !== 'bigint') return session
    if (library.find(session, templateOf(place.key)).length > 0) return { kind: 'refused', code: 'key_exists' }
    library.generateKey(session, { type: CKM.aesKeyGenerate, parameter: null }, [
      ...templateOf(place.key),
      ...[CKA.token, CKA.private, CKA.sensitive, CKA.encrypt, CKA.decrypt].map((type) => ({ type, value: true })),
      { type: CKA.extractable, value: false },
      { type: CKA.valueLength, value: KEY_BYTES },
    ])
    library.close()
    return { kind: 'made' }
  }

  /**
   * Layout, nonce, and what the HSM makes of it: ciphertext and tag. An HSM that insists on a nonce of its own writes it over
   * ours, so that it is read afterwards.
   */
  wrap(key: Buffer, context: Buffer): Buffer {
    const nonce = this.#library.random(this.#session, NONCE_BYTES)
    const mechanism = gcmOf(nonce, context)
    const sealed = this.#library.encrypt(this.#session, { key: this.#key, mechanism }, key)
    return Buffer.concat([Buffer.from([LAYOUT]), nonce, sealed])
  }

  /** Null for another key, another context or a changed byte. Throws Pkcs11Failure when the HSM is not there any more. */
  unwrap(wrapped: Buffer, context: Buffer): Buffer | null {
    if (wrapped.length <= HEAD_BYTES || wrapped[0] !== LAYOUT) return null
    const mechanism = gcmOf(ownCopy(wrapped.subarray(1, HEAD_BYTES)), context)
    try {
      const by = { key: this.#key, mechanism }
      return this.#library.decrypt(this.#session, by, ownCopy(wrapped.subarray(HEAD_BYTES)))
    } catch (error) {
      // Tokens have many words for a tag that does not fit; whether they still answer tells it from a failure.
      if (error instanceof Pkcs11Failure && this.#library.isAlive(this.#session)) return null
      throw error
    }
  }
}

function sessionOn(
  library: Pkcs11Library,
  token: string,
  pin: Buffer,
  options: { readonly mayWrite: boolean },
): bigint | TokenProblem {
  const [slot, ...more] = library.slotsOf(token)
  if (slot === undefined) return { kind: 'refused', code: 'no_token' }
  if (more.length > 0) return { kind: 'refused', code: 'ambiguous' }
  const session = library.openSession(slot, options)
  library.login(session, pin)
  return session
}

function templateOf(label: string): readonly Attribute[] {
  return [
    { type: CKA.class, value: CKO_SECRET_KEY },
    { type: CKA.keyType, value: CKK_AES },
    { type: CKA.label, value: label },
  ]
}

/** CK_GCM_PARAMS (v2.40, 2.12.3): pointer and length of the nonce, its bits, pointer and length of the context, bits of the tag. */
function gcmOf(nonce: Buffer, context: Buffer): Mechanism {
  const data = ownCopy(context)
  const parameter = bytes(6 * WORD_BYTES)
  const fields = [
    getRawPointer(nonce),
    BigInt(nonce.length),
    BigInt(8 * nonce.length),
    getRawPointer(data),
    BigInt(data.length),
    BigInt(TAG_BITS),
  ]
  fields.forEach((field, index) => parameter.writeBigUInt64LE(field, index * WORD_BYTES))
  return { type: CKM.aesGcm, parameter, held: [nonce, data] }
}

function ownCopy(given: Uint8Array): Buffer {
  const own = bytes(given.length)
  own.set(given)
  return own
}
