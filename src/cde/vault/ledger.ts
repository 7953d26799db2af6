import type { AuditEntry } from './audit-chain.ts'
import type { CardRow, CustodianRow, KeyPurpose, KeyRow } from './store.ts'

/**
 * What one step of the store sees and changes, within a transaction that its store begins and commits. The steps are
 * written once, over this; each store has its own ledger. Calls throw StoreFailure.
 */
export type Ledger = {
  nowMs(): number

  activeKey(slot: KeySlot): KeyRow | null
  /** As the active one of its slot. */
  addKey(row: KeyRow): void
  retireKey(slot: KeySlot): void
  /** Overwrites it; it is active no more. */
  shredKey(row: KeyRow): void
  rewrapKey(row: KeyRow): void
  addCustodian(row: CustodianRow): void

  card(place: TokenPlace): CardRow | null
  cardByFingerprint(owner: FingerprintPlace): CardRow | null
  addCard(row: NewCard): void
  replaceCard(card: CardRow, by: { readonly keyId: string; readonly sealed: Uint8Array; readonly atMs: number }): void

  request(name: RequestName): RequestRow | null
  addRequest(row: RequestRow): void
  finishRequest(name: RequestName, outcome: Pick<RequestRow, 'outcome' | 'outcomeCode'>): void

  /** Behind the head of the audit chain. */
  append(entry: AuditEntry): void
}

export type KeySlot = { readonly merchant: string; readonly purpose: KeyPurpose }
export type TokenPlace = { readonly merchant: string; readonly token: string }
export type FingerprintPlace = { readonly merchant: string; readonly fingerprint: Uint8Array }
export type NewCard = CardRow & { readonly fingerprint: Uint8Array; readonly atMs: number }

export type RequestName = {
  readonly merchant: string
  readonly operation: 'tokenize' | 'authorize'
  readonly idempotencyKey: string
}
export type RequestRow = RequestName & {
  readonly digest: Uint8Array
  readonly token: string
  readonly outcome: 'pending' | 'done' | 'approved' | 'declined'
  readonly outcomeCode: string
  readonly createdAtMs: number
}

/** One atomic step. A ledger that is far away fetches what `needs` names for many steps at once; nothing else may be looked up. */
export type LedgerStep<Result> = {
  readonly needs: {
    readonly keys?: readonly KeySlot[]
    readonly cards?: readonly TokenPlace[]
    readonly fingerprints?: readonly FingerprintPlace[]
    readonly requests?: readonly RequestName[]
  }
  /** Runs again when the transaction has to be tried again. */
  readonly run: (ledger: Ledger) => Result
}
