import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { closeSync, existsSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Logger } from '../../kit/log.ts'
import type { AuditEntry, AuditHead } from './audit-chain.ts'
import { lengthPrefixed } from './seal.ts'

/** Signs checkpoints: a key in a file today, and an HSM by the same two members. The key id names the public key. */
export type CheckpointSigner = {
  readonly keyId: string
  /** SPKI in PEM, for whoever verifies. */
  readonly publicKey: string
  sign(bytes: Uint8Array): Promise<Uint8Array>
}

/** A file of a signing key that cannot be used. The vault does not start with it. */
export class SigningKeyFailure extends Error {
  override readonly name = 'SigningKeyFailure'
  readonly code: 'too_open' | 'unreadable' | 'not_ed25519'

  constructor(code: 'too_open' | 'unreadable' | 'not_ed25519') {
    super('the signing key of the audit record cannot be used')
    this.code = code
  }
}

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const OTHERS = 0o077
const KEY_ID_DIGITS = 16

/**
 * The Ed25519 key of a file (PKCS#8 in PEM, RFC 8410), made there when it may be and there is none: a key that lies beside the data
 * is for development only. Throws SigningKeyFailure.
 */
export function openSigningKey(options: {
  readonly file: string
  readonly mayMake: boolean
  readonly logger: Logger
}): CheckpointSigner {
  const { file, mayMake, logger } = options
  try {
    if (mayMake) {
      if (!existsSync(file)) makeKey(file)
      logger.warn(
        { code: 'audit_key_in_file' },
        'the key that signs the audit record lies beside it: for development only',
      )
    }
    return signerOf(readKey(file))
  } catch (error) {
    throw error instanceof SigningKeyFailure ? error : new SigningKeyFailure('unreadable')
  }
}

/** The entry that says of a head: it was so, at this time. The record lies behind the head, and is chained like any other. */
export async function checkpointEntry(signer: CheckpointSigner, head: AuditHead, atMs: number): Promise<AuditEntry> {
  const texts = [String(head.sequence), hex(head.hash), new Date(atMs).toISOString(), signer.keyId]
  const signature = await signer.sign(signedBytes(texts))
  return {
    role: 'vault',
    action: 'checkpoint',
    outcome: 'done',
    origin: 'local',
    merchant: '',
    resource: [...texts, Buffer.from(signature).toString('base64')].join(' '),
    windowId: '',
  }
}

/** The head that a checkpoint names, or null when it is not signed by this key (PEM). */
export function checkpointHead(resource: string, publicKey: string): AuditHead | null {
  const [sequence = '', hash = '', at = '', keyId = '', signature = '', ...more] = resource.split(' ')
  const key = createPublicKey(publicKey)
  if (more.length > 0 || keyId !== keyIdOf(key) || !/^\d{1,16}$/.test(sequence)) return null
  const bytes = Buffer.from(signature, 'base64')
  if (!verify(null, signedBytes([sequence, hash, at, keyId]), key, bytes)) return null
  return { sequence: Number(sequence), hash: Buffer.from(hash, 'hex') }
}

/** What is signed at the end of a file that nothing is added to any more: all from the head that it follows to its last. */
export function sealBytes(seal: {
  readonly from: AuditHead
  readonly to: AuditHead
  readonly at: string
  readonly keyId: string
}): Buffer {
  const heads = [seal.from, seal.to].flatMap(({ sequence, hash }) => [String(sequence), hex(hash)])
  return lengthPrefixed(['tonewall-audit-segment-1', ...heads, seal.at, seal.keyId])
}

function signedBytes(texts: readonly string[]): Buffer {
  return lengthPrefixed(['tonewall-audit-checkpoint-1', ...texts])
}

function signerOf(key: KeyObject): CheckpointSigner {
  if (key.asymmetricKeyType !== 'ed25519') throw new SigningKeyFailure('not_ed25519')
  const shown = createPublicKey(key)
  return {
    keyId: keyIdOf(shown),
    publicKey: shown.export({ type: 'spki', format: 'pem' }),
    // RFC 8032: Ed25519 names its own hash.
    sign: (bytes) => Promise.resolve(sign(null, bytes, key)),
  }
}

function keyIdOf(key: KeyObject): string {
  const digest = createHash('sha256').update(key.export({ type: 'spki', format: 'der' }))
  return 'ed25519-' + digest.digest('hex').slice(0, KEY_ID_DIGITS)
}

function makeKey(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: OWNER_ONLY_FOLDER })
  const { privateKey } = generateKeyPairSync('ed25519')
  const descriptor = openSync(file, 'wx', OWNER_ONLY)
  try {
    writeSync(descriptor, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function readKey(file: string): KeyObject {
  const descriptor = openSync(file, 'r')
  try {
    if ((fstatSync(descriptor).mode & OTHERS) !== 0) throw new SigningKeyFailure('too_open')
    return createPrivateKey(readFileSync(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
