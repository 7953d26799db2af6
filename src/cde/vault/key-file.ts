import { createHmac } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from '../../kit/log.ts'
import { secretBytes } from '../secret-bytes.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'
import { newSealKey, seal, SEAL_KEY_BYTES, unseal } from './seal.ts'

/** A key file that cannot be used. The vault does not start with it. */
export class KeyFileFailure extends Error {
  override readonly name = 'KeyFileFailure'
  readonly code: 'too_open' | 'wrong_length' | 'unreadable'

  constructor(code: 'too_open' | 'wrong_length' | 'unreadable') {
    super('the file of the key-encryption key cannot be used')
    this.code = code
  }
}

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const OTHERS = 0o077
const ID_BYTES = 8

/**
 * The key-encryption key as 32 bytes in a file, for development: whoever copies the disk has key and data together, which
 * PCI DSS 3.6.1 does not allow in production. Made at the first start. Throws KeyFileFailure.
 */
export function openKeyFile(options: { readonly file: string; readonly logger: Logger }): KeyEncryptionKey {
  const { file, logger } = options
  try {
    if (!existsSync(file)) makeKeyFile(file)
    const key = readKeyFile(file)
    logger.warn(
      { code: 'key_in_file' },
      'the key-encryption key is a file: for development only, use an HSM or KMS in production',
    )
    return new FileKey(key)
  } catch (error) {
    throw error instanceof KeyFileFailure ? error : new KeyFileFailure('unreadable')
  }
}

class FileKey implements KeyEncryptionKey {
  readonly id: string
  readonly provider = 'file'
  readonly isExtractable = true
  readonly isSealed = false
  readonly #key: Buffer

  constructor(key: Buffer) {
    this.#key = key
    this.id =
      'file-' +
      createHmac('sha256', key)
        .update('key id')
        .digest('hex')
        .slice(0, 2 * ID_BYTES)
  }

  wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array> {
    return Promise.resolve(seal(key, this.#key, context))
  }

  unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null> {
    return Promise.resolve(unseal(wrapped, this.#key, context))
  }

  close(): void {
    this.#key.fill(0)
  }
}

/** Complete under another name first, then renamed, and both made durable: a token sealed by a key that a power cut took is lost. */
function makeKeyFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: OWNER_ONLY_FOLDER })
  const unfinished = file + '.new'
  const key = newSealKey()
  const descriptor = openSync(unfinished, 'w', OWNER_ONLY)
  try {
    writeSync(descriptor, key)
    fsyncSync(descriptor)
  } finally {
    key.fill(0)
    closeSync(descriptor)
  }
  renameSync(unfinished, file)
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function readKeyFile(file: string): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const status = fstatSync(descriptor)
    if ((status.mode & OTHERS) !== 0) throw new KeyFileFailure('too_open')
    if (status.size !== SEAL_KEY_BYTES) throw new KeyFileFailure('wrong_length')
    const key = secretBytes(SEAL_KEY_BYTES)
    if (readSync(descriptor, key) !== SEAL_KEY_BYTES) throw new KeyFileFailure('wrong_length')
    return key
  } finally {
    closeSync(descriptor)
  }
}
