import type { AuditEntry } from './audit-chain.ts'
import type { CardRow, CustodianRow, KeyPurpose, KeyRow, OrderRow } from './store.ts'

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
  /** The card of a reusable token that is live. */
  cardByFingerprint(owner: FingerprintPlace): CardRow | null
  /** Whether any merchant has it, or had it. */
  isTaken(token: string): boolean
  /** Those whose time is over. */
  cardsPastTime(past: PastTime): readonly CardRow[]
  addCard(row: NewCard): void
  /** One that is gone loses its fingerprint too. */
  replaceCard(card: CardRow, by: CardChange): void

  request(name: RequestName): RequestRow | null
  addRequest(row: RequestRow): void
  finishRequest(name: RequestName, outcome: Pick<RequestRow, 'outcome' | 'outcomeCode'>): void

  order(orderId: string): OrderRow | null
  /** Adds it, or takes the place of the one with its id. */
  putOrder(row: OrderRow): void

  /** Behind the head of the audit chain. */
  append(entry: AuditEntry): void
}

export type KeySlot = { readonly merchant: string; readonly purpose: KeyPurpose }
export type TokenPlace = { readonly merchant: string; readonly token: string }
export type FingerprintPlace = { readonly merchant: string; readonly fingerprint: Uint8Array }
export type NewCard = CardRow & { readonly fingerprint: Uint8Array; readonly atMs: number }
export type CardChange = { readonly atMs: number } & Partial<
  Pick<NewCard, 'keyId' | 'sealed' | 'fingerprint' | 'state' | 'claim' | 'endsAtMs'>
>
/** At most `limit` of them. */
export type PastTime = { readonly nowMs: number; readonly limit: number }

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
    /** Each with its card. */
    readonly requests?: readonly RequestName[]
    readonly tokens?: readonly string[]
    readonly pastTime?: PastTime
    readonly orders?: readonly string[]
  }
  /** Runs again when the transaction has to be tried again. */
  readonly run: (ledger: Ledger) => Result
}
