import { dlopen, getRawPointer } from 'node:ffi'

/** What an HSM's library answered: a CKR value (PKCS#11 v2.40, 5.1), or that the library itself cannot be used. */
export class Pkcs11Failure extends Error {
  override readonly name = 'Pkcs11Failure'
  readonly code: 'library_unusable' | 'pin_refused' | 'token_failed'
  /** CKR_..., 0 when there is none. */
  readonly value: number

  constructor(code: Pkcs11Failure['code'], value: number) {
    super('the hardware security module refused')
    this.code = code
    this.value = value
  }
}

/** CKF_SERIAL_SESSION, without which no session opens, and CKF_RW_SESSION to make a key. */
const SERIAL_SESSION = 4n
const RW_SESSION = 2n
const CKU_USER = 1n
const CKR_OK = 0n
const CKR_USER_ALREADY_LOGGED_IN = 0x100n
const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191n
/** CKR_PIN_INCORRECT, _INVALID, _LEN_RANGE, _EXPIRED, _LOCKED. */
const PIN_REFUSALS: readonly bigint[] = [0xa0n, 0xa1n, 0xa2n, 0xa3n, 0xa4n]

/** CK_ULONG and pointers on every 64 bit system but Windows. */
const WORD_BYTES = 8
const SLOTS_MAX = 256
/** CK_TOKEN_INFO has 208 bytes; it begins with the label, filled up with blanks. */
const TOKEN_INFO_BYTES = 512
const LABEL_BYTES = 32

export const CKM = { aesKeyGenerate: 0x1080, aesGcm: 0x1087 } as const
export const CKA = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  valueLength: 0x161,
  extractable: 0x162,
  neverExtractable: 0x164,
} as const
export const CKO_SECRET_KEY = 4
export const CKK_AES = 0x1f

/** A number is a CK_ULONG, a boolean a CK_BBOOL. */
export type Attribute = { readonly type: number; readonly value: number | boolean | string }
export type Mechanism = {
  readonly type: number
  readonly parameter: Buffer | null
  /** What the parameter points to, so that it is not collected before. */
  readonly held?: readonly Buffer[]
}

const SIGNATURES = {
  C_Initialize: { return: 'u64', arguments: ['pointer'] },
  C_Finalize: { return: 'u64', arguments: ['pointer'] },
  C_GetSlotList: { return: 'u64', arguments: ['u8', 'pointer', 'pointer'] },
  C_GetTokenInfo: { return: 'u64', arguments: ['u64', 'pointer'] },
  C_OpenSession: { return: 'u64', arguments: ['u64', 'u64', 'pointer', 'pointer', 'pointer'] },
  C_GetSessionInfo: { return: 'u64', arguments: ['u64', 'pointer'] },
  C_Login: { return: 'u64', arguments: ['u64', 'u64', 'pointer', 'u64'] },
  C_FindObjectsInit: { return: 'u64', arguments: ['u64', 'pointer', 'u64'] },
  C_FindObjects: { return: 'u64', arguments: ['u64', 'pointer', 'u64', 'pointer'] },
  C_FindObjectsFinal: { return: 'u64', arguments: ['u64'] },
  C_GetAttributeValue: { return: 'u64', arguments: ['u64', 'u64', 'pointer', 'u64'] },
  C_GenerateKey: { return: 'u64', arguments: ['u64', 'pointer', 'pointer', 'u64', 'pointer'] },
  C_GenerateRandom: { return: 'u64', arguments: ['u64', 'pointer', 'u64'] },
  C_EncryptInit: { return: 'u64', arguments: ['u64', 'pointer', 'u64'] },
  C_Encrypt: { return: 'u64', arguments: ['u64', 'pointer', 'u64', 'pointer', 'pointer'] },
  C_DecryptInit: { return: 'u64', arguments: ['u64', 'pointer', 'u64'] },
  C_Decrypt: { return: 'u64', arguments: ['u64', 'pointer', 'u64', 'pointer', 'pointer'] },
} as const

/**
 * An HSM's own library (PKCS#11 v2.40, OASIS), called by Node's foreign functions. Structures are laid out as C does on 64 bit Linux.
 * Calls block, and what goes wrong in foreign memory ends the process: this runs in hsm-process.ts and nowhere else. Calls
 * throw Pkcs11Failure.
 */
export class Pkcs11Library {
  readonly #functions: ReturnType<typeof open>

  constructor(file: string) {
    this.#functions = open(file)
    const value = this.#functions.C_Initialize(0n)
    if (value !== CKR_CRYPTOKI_ALREADY_INITIALIZED) check(value)
  }

  /** The slots whose token has this label. */
  slotsOf(label: string): readonly bigint[] {
    const slots = words(SLOTS_MAX)
    const count = word(SLOTS_MAX)
    check(this.#functions.C_GetSlotList(1, getRawPointer(slots), getRawPointer(count)))
    return [...slots.subarray(0, Number(count[0]))].filter((slot) => {
      const info = bytes(TOKEN_INFO_BYTES)
      const value = this.#functions.C_GetTokenInfo(slot, getRawPointer(info))
      return value === CKR_OK && info.toString('utf8', 0, LABEL_BYTES).trimEnd() === label
    })
  }

  openSession(slot: bigint, options: { readonly mayWrite: boolean }): bigint {
    const session = word(0)
    const flags = options.mayWrite ? SERIAL_SESSION | RW_SESSION : SERIAL_SESSION
    check(this.#functions.C_OpenSession(slot, flags, 0n, 0n, getRawPointer(session)))
    return session[0] ?? 0n
  }

  /** Once for all sessions of a process. The PIN stays the caller's, who wipes it. */
  login(session: bigint, pin: Buffer): void {
    const value = this.#functions.C_Login(session, CKU_USER, getRawPointer(pin), BigInt(pin.length))
    if (value !== CKR_USER_ALREADY_LOGGED_IN) check(value)
  }

  isAlive(session: bigint): boolean {
    return this.#functions.C_GetSessionInfo(session, getRawPointer(bytes(64))) === CKR_OK
  }

  /** At most two: one is right, more are too many. */
  find(session: bigint, template: readonly Attribute[]): readonly bigint[] {
    const laid = layTemplate(template)
    const found = words(2)
    const count = word(0)
    check(this.#functions.C_FindObjectsInit(session, getRawPointer(laid.memory), BigInt(template.length)))
    const value = this.#functions.C_FindObjects(session, getRawPointer(found), 2n, getRawPointer(count))
    check(this.#functions.C_FindObjectsFinal(session))
    check(value)
    return [...found.subarray(0, Number(count[0]))]
  }

  /** Null where the token does not say. */
  flagOf(session: bigint, key: bigint, type: number): boolean | null {
    const value = bytes(1)
    const attribute = words(3)
    attribute.set([BigInt(type), getRawPointer(value), 1n])
    const answer = this.#functions.C_GetAttributeValue(session, key, getRawPointer(attribute), 1n)
    return answer === CKR_OK ? value[0] !== 0 : null
  }

  generateKey(session: bigint, mechanism: Mechanism, template: readonly Attribute[]): bigint {
    const laid = layTemplate(template)
    const key = word(0)
    const count = BigInt(template.length)
    const [asked, made] = [layMechanism(mechanism), getRawPointer(key)]
    check(this.#functions.C_GenerateKey(session, getRawPointer(asked.memory), getRawPointer(laid.memory), count, made))
    return key[0] ?? 0n
  }

  random(session: bigint, length: number): Buffer {
    const random = bytes(length)
    check(this.#functions.C_GenerateRandom(session, getRawPointer(random), BigInt(length)))
    return random
  }

  encrypt(session: bigint, by: { readonly key: bigint; readonly mechanism: Mechanism }, plain: Buffer): Buffer {
    const asked = layMechanism(by.mechanism)
    check(this.#functions.C_EncryptInit(session, getRawPointer(asked.memory), by.key))
    return this.#output(plain, (given, length, out, outLength) =>
      this.#functions.C_Encrypt(session, given, length, out, outLength),
    )
  }

  decrypt(session: bigint, by: { readonly key: bigint; readonly mechanism: Mechanism }, sealed: Buffer): Buffer {
    const asked = layMechanism(by.mechanism)
    check(this.#functions.C_DecryptInit(session, getRawPointer(asked.memory), by.key))
    return this.#output(sealed, (given, length, out, outLength) =>
      this.#functions.C_Decrypt(session, given, length, out, outLength),
    )
  }

  close(): void {
    this.#functions.C_Finalize(0n)
  }

  /** The output is a little longer than the input at most: tag and padding. */
  #output(given: Buffer, call: (given: bigint, length: bigint, out: bigint, outLength: bigint) => bigint): Buffer {
    const out = bytes(given.length + 64)
    const outLength = word(out.length)
    check(call(getRawPointer(given), BigInt(given.length), getRawPointer(out), getRawPointer(outLength)))
    return out.subarray(0, Number(outLength[0]))
  }
}

function open(file: string) {
  try {
    return dlopen(file, SIGNATURES).functions
  } catch {
    // The loader's text quotes paths, and says no more than that it is no such library.
    throw new Pkcs11Failure('library_unusable', 0)
  }
}

function check(value: bigint): void {
  if (value === CKR_OK) return
  throw new Pkcs11Failure(PIN_REFUSALS.includes(value) ? 'pin_refused' : 'token_failed', Number(value))
}

/**
 * An array of CK_ATTRIBUTE: type, pointer, length. The values are held beside it: what they point to must outlive the
 * call.
 */
function layTemplate(template: readonly Attribute[]): { readonly memory: BigUint64Array; readonly values: Buffer[] } {
  const values = template.map(({ value }) => valueBytes(value))
  const memory = words(3 * template.length)
  template.forEach(({ type }, index) => {
    const value = values[index] ?? bytes(0)
    memory.set([BigInt(type), getRawPointer(value), BigInt(value.length)], 3 * index)
  })
  return { memory, values }
}

/** CK_MECHANISM: type, pointer, length. */
function layMechanism({ type, parameter }: Mechanism): { readonly memory: BigUint64Array; readonly parameter: Buffer } {
  const held = parameter ?? bytes(0)
  const memory = words(3)
  memory.set([BigInt(type), parameter === null ? 0n : getRawPointer(held), BigInt(held.length)])
  return { memory, parameter: held }
}

function valueBytes(value: Attribute['value']): Buffer {
  if (typeof value === 'boolean') return Buffer.from(new Uint8Array([value ? 1 : 0]).buffer)
  if (typeof value === 'number') return Buffer.from(word(value).buffer)
  const text = Buffer.from(value, 'utf8')
  const own = bytes(text.length)
  own.set(text)
  return own
}

/** Memory of its own: the collector moves no ArrayBuffer's bytes while it is held. */
export function bytes(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length))
}

function words(count: number): BigUint64Array {
  return new BigUint64Array(new ArrayBuffer(count * WORD_BYTES))
}

function word(value: number): BigUint64Array {
  const one = words(1)
  one[0] = BigInt(value)
  return one
}
