import type { KekProvider, KeyEncryptionKey } from './key-encryption-key.ts'
import type { KeyRecord } from './store.ts'

const DAY_MS = 86_400_000
/** NIST SP 800-57 part 1 (5.3.6): a symmetric authentication key makes codes for two years at most. */
export const FINGERPRINT_PERIOD_DAYS = 730

/** One line of the inventory (PCI DSS 3.6.1.1, 12.3.3). Nothing of the key itself. */
export type KeyEntry = {
  readonly keyId: string
  readonly purpose: 'key-encryption' | 'card' | 'fingerprint'
  readonly algorithm: 'AES-256-GCM' | 'HMAC-SHA-256' | 'AES-256'
  /** Where it lies, or what wraps it. */
  readonly provider: KekProvider | 'unknown'
  readonly kekId: string
  /** Empty for the key-encryption key. */
  readonly merchant: string
  readonly state: KeyRecord['state'] | 'sealed'
  /** Milliseconds since 1970; null where the vault does not know. */
  readonly createdAtMs: number | null
  /** From here on it is not to seal anything new. */
  readonly periodEndsAtMs: number | null
  readonly retiredAtMs: number | null
  readonly shreddedAtMs: number | null
  /** Cards that it seals, or that have their fingerprint of it, among those that can be read; null for the key-encryption key. */
  readonly cards: number | null
  /** Past its period and still in use: to be rotated, or what it sealed to be sealed anew. */
  readonly isOverdue: boolean
  /** Development only: whoever copies the disk has it. */
  readonly isExtractable: boolean | null
}

export type InventoryOptions = {
  readonly kek: Pick<KeyEncryptionKey, 'id' | 'provider' | 'isExtractable' | 'isSealed'>
  readonly cryptoperiodDays: number
  /** Of keys of cards. */
  readonly cards: ReadonlyMap<string, number>
  readonly nowMs: number
}

/** The key-encryption key first, then data keys in the order they were made. */
export function keyInventory(rows: readonly KeyRecord[], options: InventoryOptions): readonly KeyEntry[] {
  const { kek, nowMs } = options
  const cards = new Map(rows.map((row) => [row.keyId, cardsOf(row, rows, options.cards)]))
  const own: KeyEntry = {
    keyId: kek.id,
    purpose: 'key-encryption',
    algorithm: 'AES-256',
    provider: kek.provider,
    kekId: kek.id,
    merchant: '',
    state: kek.isSealed ? 'sealed' : 'active',
    createdAtMs: null,
    periodEndsAtMs: null,
    retiredAtMs: null,
    shreddedAtMs: null,
    cards: null,
    isOverdue: false,
    isExtractable: kek.isExtractable,
  }
  return [
    own,
    ...rows.map((row): KeyEntry => {
      const endsAtMs = periodEndOf(row, options.cryptoperiodDays)
      return {
        keyId: row.keyId,
        purpose: row.purpose,
        algorithm: row.purpose === 'card' ? 'AES-256-GCM' : 'HMAC-SHA-256',
        provider: row.kekId === kek.id ? kek.provider : 'unknown',
        kekId: row.kekId,
        merchant: row.merchant,
        state: row.state,
        createdAtMs: row.createdAtMs,
        periodEndsAtMs: endsAtMs,
        retiredAtMs: row.retiredAtMs === 0 ? null : row.retiredAtMs,
        shreddedAtMs: row.shreddedAtMs === 0 ? null : row.shreddedAtMs,
        cards: cards.get(row.keyId) ?? 0,
        isOverdue: isInUse(row, cards) && nowMs >= endsAtMs,
        isExtractable: true,
      }
    }),
  ]
}

/** A key of fingerprints has those of the keys that name it. */
function cardsOf({ keyId, purpose }: KeyRecord, rows: readonly KeyRecord[], cards: InventoryOptions['cards']): number {
  if (purpose === 'card') return cards.get(keyId) ?? 0
  const naming = rows.filter((row) => row.fingerprintKeyId === keyId && row.state !== 'shredded')
  return naming.reduce((sum, row) => sum + (cards.get(row.keyId) ?? 0), 0)
}

/** When the key is to seal nothing new any more. */
export function periodEndOf({ purpose, createdAtMs }: KeyRecord, cryptoperiodDays: number): number {
  return createdAtMs + DAY_MS * (purpose === 'card' ? cryptoperiodDays : FINGERPRINT_PERIOD_DAYS)
}

function isInUse({ keyId, state }: KeyRecord, cards: ReadonlyMap<string, number>): boolean {
  return state === 'active' || (state === 'retired' && (cards.get(keyId) ?? 0) > 0)
}
