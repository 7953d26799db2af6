import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { secretBytes } from '../secret-bytes.ts'
import { KekFailure, type KeyEncryptionKey } from './key-encryption-key.ts'
import { jsonWithSecret, secretField } from './kms-json.ts'
import { KmsClient, type KmsReply } from './kms-request.ts'

export type TransitOptions = {
  readonly url: string
  readonly mount: string
  readonly key: string
  /** The token is its first line; read again at each request, so that an agent can renew it. */
  readonly tokenFile: string
  readonly namespace: string | null
  readonly authority: Buffer | null
  readonly attemptMs?: number
}

const STATUS_OK = 200
const BAD_REQUEST = 400
const FORBIDDEN = 403
const NOT_FOUND = 404
/** SHA-256 of the context stands before the key: rewrap takes no associated data, and so could not keep it. */
const BINDING_BYTES = 32
/** The version of the key, and base64. */
const CIPHERTEXT = /"ciphertext"\s*:\s*"(vault:v\d{1,9}:[A-Za-z0-9+/=]{1,4096})"/

/** A key of the Transit secrets engine of HashiCorp Vault or OpenBao, which encrypts and decrypts there: encrypt, decrypt, rewrap. */
export class TransitKey implements KeyEncryptionKey {
  readonly id: string
  readonly provider = 'transit'
  /** Transit has keys that are `exportable`; the vault's token need not be able to see whether this is one. */
  readonly isExtractable = null
  readonly isSealed = false
  readonly #options: TransitOptions
  readonly #client: KmsClient

  constructor(options: TransitOptions) {
    this.#options = options
    this.#client = new KmsClient(options)
    this.id = ['transit', options.mount, options.key].join(':')
  }

  async wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array> {
    const bound = secretBytes(BINDING_BYTES + key.length)
    bound.set(bindingOf(context))
    bound.set(key, BINDING_BYTES)
    const reply = await this.#call('encrypt', jsonWithSecret({}, { name: 'plaintext', bytes: bound }))
    bound.fill(0)
    return ciphertextOf(reply)
  }

  async unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null> {
    const reply = await this.#call('decrypt', ciphertextJson(wrapped))
    // Its words for a ciphertext that is not of this key differ between versions; the status does not.
    if (reply.status === BAD_REQUEST) return null
    if (reply.status !== STATUS_OK) throw failureOf(reply)
    const bound = secretField(reply.body, 'plaintext')
    reply.body.fill(0)
    if (bound === null || bound.length <= BINDING_BYTES) throw unusable()
    try {
      if (!bound.subarray(0, BINDING_BYTES).equals(bindingOf(context))) return null
      const key = secretBytes(bound.length - BINDING_BYTES)
      bound.copy(key, 0, BINDING_BYTES)
      return key
    } finally {
      bound.fill(0)
    }
  }

  /** The key stays in there. */
  async renew(wrapped: Uint8Array): Promise<Uint8Array> {
    return ciphertextOf(await this.#call('rewrap', ciphertextJson(wrapped)))
  }

  close(): void {
    this.#client.close()
  }

  async #call(operation: 'encrypt' | 'decrypt' | 'rewrap', body: Buffer): Promise<KmsReply> {
    const { mount, key, tokenFile, namespace } = this.#options
    const attempt = () =>
      Promise.resolve({
        body,
        headers: {
          'content-type': 'application/json',
          'x-vault-token': readToken(tokenFile),
          'x-vault-request': 'true',
          ...(namespace === null ? {} : { 'x-vault-namespace': namespace }),
        },
      })
    try {
      return await this.#client.post(['/v1', mount, operation, key].join('/'), attempt)
    } finally {
      body.fill(0)
    }
  }
}

function readToken(file: string): string {
  try {
    const [token = ''] = readFileSync(file, 'utf8').split('\n')
    if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token
  } catch {
    // Said below, without the file's name.
  }
  throw new KekFailure('kek_refused', 'the file of the token cannot be read, or holds none')
}

function bindingOf(context: Buffer): Buffer {
  return createHash('sha256').update(context).digest()
}

/** As it was given: vault:v1: and base64. */
function ciphertextJson(wrapped: Uint8Array): Buffer {
  return Buffer.from(JSON.stringify({ ciphertext: Buffer.from(wrapped).toString('latin1') }), 'utf8')
}

function ciphertextOf(reply: KmsReply): Buffer {
  if (reply.status !== STATUS_OK) throw failureOf(reply)
  const ciphertext = CIPHERTEXT.exec(reply.body.toString('latin1'))?.[1]
  if (ciphertext === undefined) throw unusable()
  return Buffer.from(ciphertext, 'latin1')
}

function failureOf({ status }: KmsReply): KekFailure {
  const detail = 'status ' + String(status)
  if (status === FORBIDDEN) return new KekFailure('kek_refused', detail)
  if (status === NOT_FOUND) return new KekFailure('kek_missing', detail)
  // Without a key of this name, and without the right to make one, encrypt answers so.
  return new KekFailure(status === BAD_REQUEST ? 'kek_missing' : 'kek_unusable', detail)
}

function unusable(): KekFailure {
  return new KekFailure('kek_unusable', 'the answer of the KMS holds no key')
}
