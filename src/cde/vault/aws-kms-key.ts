import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { AwsV4Signer } from 'aws4fetch'
import { KekFailure, type KekFailureCode, type KeyEncryptionKey } from './key-encryption-key.ts'
import { jsonWithSecret, secretField } from './kms-json.ts'
import { KmsClient, type KmsAttempt, type KmsReply } from './kms-request.ts'

export type AwsKmsOptions = {
  readonly region: string
  /** Id, ARN or alias of a symmetric key. */
  readonly key: string
  /** As AWS's tools write it; read again at each request, so that temporary credentials can be renewed. */
  readonly credentialsFile: string
  /** https; null: that of the region. */
  readonly endpoint: string | null
  readonly authority: Buffer | null
  readonly attemptMs?: number
}

const STATUS_OK = 200
const CONTENT_TYPE = 'application/x-amz-json-1.1'

/**
 * A key of AWS KMS (API of 2014-11-01): Encrypt and Decrypt, signed by Signature Version 4. What a key is bound to stands in the encryption
 * context as its hash, since AWS writes the context into its own log.
 */
export class AwsKmsKey implements KeyEncryptionKey {
  readonly id: string
  readonly provider = 'aws-kms'
  readonly isExtractable = false
  readonly isSealed = false
  readonly #options: AwsKmsOptions
  readonly #url: string
  readonly #client: KmsClient

  constructor(options: AwsKmsOptions) {
    this.#options = options
    this.#url = options.endpoint ?? 'https://kms.' + options.region + '.amazonaws.com'
    this.#client = new KmsClient({ ...options, url: this.#url })
    this.id = ['aws-kms', options.region, options.key].join(':')
  }

  async wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array> {
    const fields = { KeyId: this.#options.key, EncryptionContext: contextOf(context) }
    const reply = await this.#call('Encrypt', jsonWithSecret(fields, { name: 'Plaintext', bytes: key }))
    if (reply.status !== STATUS_OK) throw failureOf(reply)
    return required(secretField(reply.body, 'CiphertextBlob'))
  }

  async unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null> {
    const fields = { KeyId: this.#options.key, EncryptionContext: contextOf(context) }
    const reply = await this.#call('Decrypt', jsonWithSecret(fields, { name: 'CiphertextBlob', bytes: wrapped }))
    if (reply.status !== STATUS_OK) {
      if (WRONG.includes(typeOf(reply))) return null
      throw failureOf(reply)
    }
    const key = secretField(reply.body, 'Plaintext')
    reply.body.fill(0)
    return required(key)
  }

  close(): void {
    this.#client.close()
  }

  async #call(operation: 'Encrypt' | 'Decrypt', body: Buffer): Promise<KmsReply> {
    try {
      return await this.#client.post('/', () => this.#signed(operation, body))
    } finally {
      body.fill(0)
    }
  }

  async #signed(operation: string, body: Buffer): Promise<KmsAttempt> {
    const target = { 'content-type': CONTENT_TYPE, 'x-amz-target': 'TrentService.' + operation }
    const signer = new AwsV4Signer({
      ...readCredentials(this.#options.credentialsFile),
      method: 'POST',
      url: new URL('/', this.#url).href,
      headers: target,
      body: new Uint8Array(body.buffer as ArrayBuffer, body.byteOffset, body.length),
      service: 'kms',
      region: this.#options.region,
      // Content-type is signed as well.
      allHeaders: true,
    })
    const { headers } = await signer.sign()
    return { headers: Object.fromEntries(headers), body }
  }
}

type Credentials = {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** The first profile of the file, or what stands in it without one. Throws KekFailure. */
export function readCredentials(file: string): Credentials {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    throw new KekFailure('kek_refused', 'the file of the credentials cannot be read')
  }
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*(aws_[a-z_]+)\s*=\s*(\S+)\s*$/.exec(line) ?? []
    if (name !== undefined && value !== undefined && !values.has(name)) values.set(name, value)
  }
  const accessKeyId = values.get('aws_access_key_id')
  const secretAccessKey = values.get('aws_secret_access_key')
  const sessionToken = values.get('aws_session_token')
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new KekFailure('kek_refused', 'the file of the credentials holds none')
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

function contextOf(context: Buffer): Readonly<Record<string, string>> {
  return { tonewall: createHash('sha256').update(context).digest('base64') }
}

/** Errors of Decrypt that say: not this key, not this context, not these bytes. */
const WRONG: readonly string[] = ['InvalidCiphertextException', 'IncorrectKeyException']

const FAILURES: Readonly<Record<string, KekFailureCode>> = {
  NotFoundException: 'kek_missing',
  InvalidKeyUsageException: 'kek_unusable',
  DisabledException: 'kek_refused',
  KMSInvalidStateException: 'kek_refused',
  KeyUnavailableException: 'kek_unreachable',
  DependencyTimeoutException: 'kek_unreachable',
  ThrottlingException: 'kek_unreachable',
  LimitExceededException: 'kek_unreachable',
}

/** Of the names that are known, the one that AWS gave; its message is not looked at. */
function typeOf(reply: KmsReply): string {
  const type = /"__type"\s*:\s*"(?:[^"#]*#)?([A-Za-z]{1,64})"/.exec(reply.body.toString('latin1'))?.[1]
  return type ?? 'unknown'
}

/** What is not known is a matter of signature, rights or policy: AWS has dozens of names for it. */
function failureOf(reply: KmsReply): KekFailure {
  const type = typeOf(reply)
  return new KekFailure(FAILURES[type] ?? 'kek_refused', type)
}

function required(bytes: Buffer | null): Buffer {
  if (bytes === null) throw new KekFailure('kek_unusable', 'the answer of the KMS holds no key')
  return bytes
}
