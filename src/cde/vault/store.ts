import type { Brand, RefusalCode } from '../vault-protocol.ts'
import type { AuditEntry, AuditHead, AuditRecord } from './audit-chain.ts'

/**
 * What the vault keeps. Each writing call is one atomic step together with its audit record, and resolves only once the
 * step is durable: what was acknowledged survives kill -9. Every call rejects with StoreFailure, and nothing else,
 * when the database cannot do it; then nothing of the step was kept. It holds sealed bytes only.
 */
export type Store = {
  /** The one key of a merchant and purpose that seals today, or null. */
  activeKey(merchant: string, purpose: KeyPurpose): Promise<KeyRow | null>
  keyById(keyId: string): Promise<KeyRow | null>
  /** Adds a first active key. When another process was faster, its key is returned instead and nothing is added. */
  addKey(row: KeyRow, audit: AuditEntry): Promise<KeyRow>
  /** Retires the active key of the row's merchant and purpose, and adds this one in its place. */
  rotateKey(row: KeyRow, audit: AuditEntry): Promise<void>

  tokenize(step: TokenizeStep): Promise<TokenizeResult>
  card(place: { readonly merchant: string; readonly token: string }): Promise<CardRow | null>

  /** Notes that an authorization is about to be sent, or says what became of an earlier one with the same key. */
  beginCharge(step: ChargeStep): Promise<ChargeBegun>
  /** Notes its outcome. After this, the same key gets the same outcome. */
  finishCharge(step: ChargeKey & { readonly outcome: ChargeOutcome; readonly audit: AuditEntry }): Promise<void>

  append(audit: AuditEntry): Promise<void>
  /** The newest audit record, or the genesis. */
  auditHead(): Promise<AuditHead>
  /** Audit records in order, behind the given sequence number. */
  auditAfter(sequence: number, limit: number): Promise<readonly AuditRecord[]>
  /** Forgets answers to idempotency keys older than this; at most `limit`. Returns how many. */
  forgetRequests(before: { readonly createdBeforeMs: number; readonly limit: number }): Promise<number>
  close(): Promise<void>
}

/** A foreign failure of the database, wrapped once. The code is the system's or SQLite's, never a text. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure'
  readonly code: string

  constructor(code: string) {
    super('the store failed')
    this.code = code
  }
}

/** 'card' seals numbers, 'fingerprint' recognizes a number that was seen before. */
export type KeyPurpose = 'card' | 'fingerprint'

export type KeyRow = {
  readonly keyId: string
  readonly merchant: string
  readonly purpose: KeyPurpose
  /** Wrapped under the key-encryption key of that id. */
  readonly kekId: string
  readonly wrapped: Uint8Array
  readonly createdAtMs: number
}

export type CardRow = {
  readonly token: string
  readonly merchant: string
  readonly keyId: string
  readonly sealed: Uint8Array
  readonly lastFour: string
  readonly brand: Brand
}

export type TokenizeStep = {
  readonly merchant: string
  /** Keyed hash of the number, 32 bytes. */
  readonly fingerprint: Uint8Array
  readonly idempotencyKey: string
  /** Taken when the card is new. */
  readonly token: string
  readonly lastFour: string
  readonly brand: Brand
  readonly keyId: string
  /** Called once within the step, with the token that the card has. */
  readonly seal: (token: string) => Uint8Array
  /** A card that is known keeps its row as it is when the form asked for no expiry. */
  readonly replaceKnown: boolean
  readonly audit: (result: { readonly outcome: AuditEntry['outcome']; readonly token: string }) => AuditEntry
}

export type TokenizeResult =
  | {
      readonly kind: 'created' | 'known' | 'repeated'
      readonly token: string
      readonly lastFour: string
      readonly brand: Brand
    }
  | { readonly kind: 'conflict' }

export type ChargeKey = { readonly merchant: string; readonly idempotencyKey: string }

export type ChargeStep = ChargeKey & {
  readonly token: string
  /** SHA-256 of what is asked, to tell a repeated request from another one. */
  readonly digest: Uint8Array
  readonly audit: (outcome: AuditEntry['outcome']) => AuditEntry
}

/** 'begun' also when an earlier attempt has no outcome yet: the acquirer knows it by the same reference. */
export type ChargeBegun =
  | { readonly kind: 'begun'; readonly card: CardRow }
  | { readonly kind: 'finished'; readonly outcome: ChargeOutcome }
  | { readonly kind: 'refused'; readonly code: Extract<RefusalCode, 'idempotency_conflict' | 'unknown_token'> }

export type ChargeOutcome =
  | { readonly type: 'approved'; readonly approvalCode: string }
  | { readonly type: 'declined'; readonly declineCode: string }
