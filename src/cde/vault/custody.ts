import { createHmac } from 'node:crypto'
import { combine, split } from 'shamir-secret-sharing'
import { secretBytes } from '../secret-bytes.ts'
import { SHARE_BYTES, shareDigest } from './custodian-share.ts'
import { KekFailure, type KeyEncryptionKey } from './key-encryption-key.ts'
import { newSealKey, seal, SEAL_KEY_BYTES, unseal } from './seal.ts'
import type { CustodianRow } from './store.ts'

export type NewCustody = {
  readonly rows: readonly CustodianRow[]
  /** One for each custodian, each as long as the key and one byte. The caller wipes them. */
  readonly shares: readonly Buffer[]
}

/**
 * A new key-encryption key that nobody has: split by Shamir's scheme over GF(256) into shares, of which `threshold` together are the key and
 * fewer tell nothing of it. The key is overwritten before this resolves.
 */
export async function makeCustody(options: {
  readonly shares: number
  readonly threshold: number
  readonly nowMs: number
}): Promise<NewCustody> {
  const { shares: count, threshold, nowMs } = options
  const key = newSealKey()
  try {
    const kekId = idOf(key)
    const made = await split(plainBytes(key), count, threshold)
    const shares = made.map((share) => {
      const own = secretBytes(share.length)
      own.set(share)
      share.fill(0)
      return own
    })
    const rows = shares.map((share, index) => {
      return { kekId, share: index + 1, threshold, digest: shareDigest(share), createdAtMs: nowMs }
    })
    return { rows, shares }
  } finally {
    key.fill(0)
  }
}

export type Given =
  | { readonly kind: 'taken' | 'opened'; readonly share: number }
  | { readonly kind: 'refused'; readonly code: 'share_wrong' | 'share_repeated' }

/** Collects shares until they are the key. Shares are overwritten as soon as they are, and when the vault closes. */
export class Custody {
  readonly kek: KeyEncryptionKey
  readonly threshold: number
  readonly #rows: readonly CustodianRow[]
  readonly #shares = new Map<number, Buffer>()
  readonly #key: CustodiansKey

  /** The rows of one key-encryption key, at least one. */
  constructor(rows: readonly CustodianRow[]) {
    this.#rows = rows
    this.threshold = rows[0]?.threshold ?? 0
    this.#key = new CustodiansKey(rows[0]?.kekId ?? '', () => this.#wipe())
    this.kek = this.#key
  }

  /** Shares that were given so far. */
  get given(): number {
    return this.#shares.size
  }

  /** The share is copied. */
  async give(share: Uint8Array): Promise<Given> {
    const digest = share.length === SHARE_BYTES ? shareDigest(share) : null
    const row = this.#rows.find((known) => digest !== null && digest.equals(known.digest))
    if (row === undefined) return { kind: 'refused', code: 'share_wrong' }
    if (this.#shares.has(row.share)) return { kind: 'refused', code: 'share_repeated' }
    const own = secretBytes(SHARE_BYTES)
    own.set(share)
    this.#shares.set(row.share, own)
    if (this.#shares.size < this.threshold) return { kind: 'taken', share: row.share }
    const combined = await combine([...this.#shares.values()].map(plainBytes))
    const key = secretBytes(SEAL_KEY_BYTES)
    key.set(combined.subarray(0, SEAL_KEY_BYTES))
    combined.fill(0)
    this.#wipe()
    // Each share was right, so that the key is; that its name fits is a last proof.
    if (idOf(key) !== this.kek.id) {
      key.fill(0)
      return { kind: 'refused', code: 'share_wrong' }
    }
    this.#key.open(key)
    return { kind: 'opened', share: row.share }
  }

  #wipe(): void {
    for (const share of this.#shares.values()) share.fill(0)
    this.#shares.clear()
  }
}

/**
 * The custodies that a vault has to open before it serves: the newest one, where today's key is with custodians, and each whose key has
 * wrapped a key that still is.
 */
export function custodiesOf(
  rows: readonly CustodianRow[],
  options: { readonly isCurrent: boolean; readonly kekIds: ReadonlySet<string> },
): { readonly current: Custody | null; readonly former: readonly Custody[] } {
  const byKek = Map.groupBy(
    rows.toSorted((one, other) => one.createdAtMs - other.createdAtMs),
    ({ kekId }) => kekId,
  )
  const newest = options.isCurrent ? [...byKek.keys()].at(-1) : undefined
  const former = [...byKek].filter(([kekId]) => kekId !== newest && options.kekIds.has(kekId))
  return {
    current: newest === undefined ? null : new Custody(byKek.get(newest) ?? []),
    former: former.map(([, ofOne]) => new Custody(ofOne)),
  }
}

class CustodiansKey implements KeyEncryptionKey {
  readonly id: string
  readonly provider = 'custodians'
  /** It lies in the vault's memory while the vault runs, and nowhere else. */
  readonly isExtractable = true
  readonly #closed: () => void
  #key: Buffer | null = null

  constructor(id: string, closed: () => void) {
    this.id = id
    this.#closed = closed
  }

  get isSealed(): boolean {
    return this.#key === null
  }

  open(key: Buffer): void {
    this.#key = key
  }

  wrap(key: Uint8Array, context: Buffer): Promise<Uint8Array> {
    if (this.#key === null) return Promise.reject(sealed())
    return Promise.resolve(seal(key, this.#key, context))
  }

  unwrap(wrapped: Uint8Array, context: Buffer): Promise<Buffer | null> {
    if (this.#key === null) return Promise.reject(sealed())
    return Promise.resolve(unseal(wrapped, this.#key, context))
  }

  close(): void {
    this.#key?.fill(0)
    this.#key = null
    this.#closed()
  }
}

/** The same bytes: the library takes no subclass. */
function plainBytes(secret: Buffer): Uint8Array {
  return new Uint8Array(secret.buffer, secret.byteOffset, secret.length)
}

function idOf(key: Buffer): string {
  return 'custodians-' + createHmac('sha256', key).update('key id').digest('hex').slice(0, 16)
}

function sealed(): KekFailure {
  return new KekFailure('kek_sealed', 'too few custodians have given their shares')
}
