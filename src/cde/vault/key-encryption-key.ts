/**
 * The key that wraps all other keys and is never stored beside them: a file (development), later an HSM or a KMS.
 * Both calls may leave the machine, so both are asynchronous and are made once per data key, never once per card.
 */
export type KeyEncryptionKey = {
  /** Stands in each wrapped key's row, so that the key can be changed without a gap. */
  readonly id: string
  /** Wraps a key, bound to a context. */
  wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array>
  /** Null when it was wrapped by another key, in another context, or was changed. The caller wipes the result. */
  unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null>
  /** Forgets the key. Safe to call twice. */
  close(): void
}
