export const KEK_PROVIDERS = ['file', 'pkcs11', 'aws-kms', 'transit', 'custodians'] as const
export type KekProvider = (typeof KEK_PROVIDERS)[number]

/**
 * The key that wraps all other keys and is never stored beside them: in a file (development), an HSM, a KMS, or with custodians.
 * Both calls may leave the machine, so both are asynchronous and are made once per data key, never once per card.
 * Both reject with KekFailure when the key cannot be used now.
 */
export type KeyEncryptionKey = {
  /** Stands in each wrapped key's row, so that the key can be changed without a gap. */
  readonly id: string
  readonly provider: KekProvider
  /** Whether the key can be taken out of where it lies; null: nobody knows. */
  readonly isExtractable: boolean | null
  /** Custodians have not given their shares yet. */
  readonly isSealed: boolean
  /** Wraps a key, bound to a context. */
  wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array>
  /** Null when it was wrapped by another key, in another context, or was changed. The caller wipes the result. */
  unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null>
  /** Wraps by its newest version what an older one wrapped, where that can be done without telling the key. */
  renew?(wrapped: Uint8Array): Promise<Uint8Array>
  /** Forgets the key. Safe to call twice. */
  close(): void
}

export const KEK_FAILURES = [
  'kek_sealed', // too few custodians have given their shares
  'kek_unreachable', // the HSM or KMS does not answer
  'kek_refused', // it answers, and lets us not: a PIN, a token, a policy
  'kek_missing', // it has no such key
  'kek_unusable', // the library, the file or the answer is not what it must be
] as const
export type KekFailureCode = (typeof KEK_FAILURES)[number]

/** The key-encryption key cannot be used now. `detail` is a literal of ours, or a number that the other side gave. */
export class KekFailure extends Error {
  override readonly name = 'KekFailure'
  readonly code: KekFailureCode
  readonly detail: string

  constructor(code: KekFailureCode, detail: string) {
    super('the key-encryption key cannot be used')
    this.code = code
    this.detail = detail
  }
}
