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
  /** Those of a merchant and purpose that were not shredded: the active one first, then from the newest to the oldest. */
  readableKeys(merchant: string, purpose: KeyPurpose): Promise<readonly KeyRecord[]>
  /** Adds a first active key. When another process was faster, its key is returned instead and nothing is added. */
  addKey(row: KeyRow, audit: AuditEntry): Promise<KeyRow>
  /** Every key that ever was, oldest first. */
  keys(): Promise<readonly KeyRecord[]>
  /**
   * Retires the active key of the row's merchant and purpose, and adds this one in its place. When `before` is not the active one any more,
   * another process was faster: its key is returned instead, and nothing is changed.
   */
  rotateKey(step: RotateStep): Promise<KeyRow>
  /** Overwrites the keys, for ever: what they sealed is lost. */
  shredKeys(step: { readonly keys: readonly KeyRow[]; readonly audit: readonly AuditEntry[] }): Promise<void>
  /** Keeps a key wrapped under another key-encryption key. */
  rewrapKey(step: { readonly row: KeyRow; readonly audit: AuditEntry }): Promise<void>
  /** How many cards a key seals. Takes as long as they are many, and holds up nobody. */
  countCards(keyId: string): Promise<number>
  /** Cards that a key seals, in the order of their tokens, behind the given one. */
  cardsUnder(page: {
    readonly keyId: string
    readonly after: string
    readonly limit: number
  }): Promise<readonly CardRow[]>
  /** Keeps cards under another key, where they are still as they were read. Returns how many that was. */
  resealCards(cards: readonly ResealedCard[]): Promise<number>

  /** Who holds shares of a key-encryption key; empty where nobody does. */
  custodians(): Promise<readonly CustodianRow[]>
  addCustodians(rows: readonly CustodianRow[], audit: AuditEntry): Promise<void>

  tokenize(step: TokenizeStep): Promise<TokenizeResult>
  card(place: { readonly merchant: string; readonly token: string }): Promise<CardRow | null>

  /** Notes that an authorization is about to be sent, or says what became of an earlier one with the same key. */
  beginCharge(step: ChargeStep): Promise<ChargeBegun>
  /** Notes its outcome. After this, the same key gets the same outcome. */
  finishCharge(step: FinishStep): Promise<void>

  /** Lets a token be opened; one of a single use only for who claims it, for `keptMs`. */
  useToken(step: TokenStep & { readonly keptMs: number }): Promise<TokenOpened>
  /** Takes away what is sealed of its card, for ever. */
  endToken(step: TokenStep): Promise<TokenEnded>
  /** Does so for tokens past their time; at most `limit`. Returns those. */
  endTokensPastTime(step: PastTimeStep): Promise<readonly CardRow[]>

  /** Looks at an order, adds or changes it, together with its audit record. */
  order<Result>(step: OrderStep<Result>): Promise<Result>
  /** Forgets orders past their time; at most `limit`. Returns how many. */
  forgetOrders(past: { readonly nowMs: number; readonly limit: number }): Promise<number>

  append(audit: AuditEntry): Promise<void>
  /** The newest audit record, or the genesis. */
  auditHead(): Promise<AuditHead>
  /** Audit records in order, behind the given sequence number. */
  auditAfter(sequence: number, limit: number): Promise<readonly AuditRecord[]>
  /** How far a sink of the audit record has come, as whoever shipped last has kept it; 0 when nobody has. */
  shipped(sink: string): Promise<number>
  keepShipped(sink: string, sequence: number): Promise<void>
  /**
   * Whether this one of all vaults on the store signs, ships and archives the audit record. Another takes over when its connection to the
   * database ends. Asked before each piece of such work.
   */
  leads(): Promise<boolean>
  /** Notes that all records up to this one are in a file that is durable; those before it may be deleted, from here on. */
  keepArchive(archive: AuditArchive): Promise<void>
  /** The last record that is archived, or the genesis. */
  archivedTo(): Promise<AuditHead>
  /** Deletes archived records but the last one, which the chain goes on from; at most `limit`, and none younger than three months. */
  pruneAudit(limit: number): Promise<number>
  /** Forgets answers to idempotency keys older than this; at most `limit`. Returns how many. */
  forgetRequests(before: { readonly createdBeforeMs: number; readonly limit: number }): Promise<number>
  /** When the oldest one that is not forgotten was answered; null when there is none. */
  oldestRequestMs(): Promise<number | null>
  close(): Promise<void>
}

/** Where the archive ends. */
export type AuditArchive = { readonly last: AuditHead; readonly name: string; readonly archivedAtMs: number }

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
  /** A key of cards names the key of their fingerprints. Empty for that one itself, and for what an earlier release has made or shredded. */
  readonly fingerprintKeyId: string
  /** Wrapped under the key-encryption key of that id. */
  readonly kekId: string
  readonly wrapped: Uint8Array
  readonly createdAtMs: number
}

export type KeyRecord = KeyRow & {
  /** 'shredded': the key is no more, and `wrapped` is empty. */
  readonly state: 'active' | 'retired' | 'shredded'
  /** 0 while it is active. */
  readonly retiredAtMs: number
  /** 0 unless it is shredded. */
  readonly shreddedAtMs: number
}

export type RotateStep = {
  readonly row: KeyRow
  readonly before: string
  /** A new key of fingerprints, which the row names, takes the place of the active one too. Left out: the row names the active one. */
  readonly fingerprint?: KeyRow
  readonly audit: readonly AuditEntry[]
}

/** One share of a key-encryption key: what tells a right one from a wrong one, and nothing of the key. */
export type CustodianRow = {
  readonly kekId: string
  /** From 1. */
  readonly share: number
  /** This many shares together are the key. */
  readonly threshold: number
  /** SHA-256 of the share. */
  readonly digest: Uint8Array
  readonly createdAtMs: number
}

export type ResealedCard = {
  readonly before: CardRow
  readonly keyId: string
  readonly sealed: Uint8Array
  /** Made with the key that the new key names. */
  readonly fingerprint: Uint8Array
}

export type CardRow = {
  readonly token: string
  readonly merchant: string
  readonly keyId: string
  /** Empty once the token is gone. */
  readonly sealed: Uint8Array
  readonly lastFour: string
  readonly brand: Brand
  /** Its key was shredded: nobody can read it again. */
  readonly isShredded: boolean
  readonly reuse: TokenReuse
  /** claimed: of a single use that is under way. gone: used, deleted or past its time; the row keeps the token from being given again. */
  readonly state: 'live' | 'claimed' | 'gone'
  /** Whose use it is, or was; empty: nobody's. */
  readonly claim: string
  /** Gone from then on, milliseconds since 1970; 0: no time limit. */
  readonly endsAtMs: number
  readonly createdAtMs: number
}

/** reusable: the same card of the same merchant has the same token. single: each time another, and one use ends it. */
export type TokenReuse = 'reusable' | 'single'

export type TokenizeStep = {
  readonly merchant: string
  /** Keyed hash of the number, 32 bytes. */
  readonly fingerprint: Uint8Array
  /** The same number's under keys that were rotated and still are: it is known by each. */
  readonly formerFingerprints: readonly Uint8Array[]
  readonly idempotencyKey: string
  /** The first that nobody ever had is taken when the card is new. One alone is long enough not to be looked up. */
  readonly tokens: readonly string[]
  readonly reuse: TokenReuse
  /** 0: no time limit. */
  readonly endsAtMs: number
  readonly lastFour: string
  readonly brand: Brand
  /** The active key that seals it, and names the key of its fingerprint. */
  readonly keyId: string
  /** Called once within the step, with the token that the card has. */
  readonly seal: (token: string) => Uint8Array
  /** A card that is known keeps its row as it is when the form asked for no expiry, unless the row cannot be read any more. */
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
  /** The key is not the active one any more. Nothing was kept, and nothing written down. */
  | { readonly kind: 'key_changed' }

export type ChargeKey = { readonly merchant: string; readonly idempotencyKey: string }

export type FinishStep = ChargeKey & {
  readonly token: string
  readonly outcome: ChargeOutcome
  readonly audit: AuditEntry
}

export type PastTimeStep = {
  readonly nowMs: number
  readonly limit: number
  readonly audit: (card: CardRow) => AuditEntry
}

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
  | {
      readonly kind: 'refused'
      readonly code: Extract<RefusalCode, 'idempotency_conflict'> | TokenRefusal
    }

/** A use of a token, or its end. A repetition has the same `claim`, and gets what the first got. */
export type TokenStep = {
  readonly merchant: string
  readonly token: string
  readonly claim: string
  readonly audit: (outcome: 'done' | TokenRefusal) => AuditEntry
}
export type TokenRefusal = Extract<RefusalCode, 'unknown_token' | 'token_gone' | 'card_shredded'>
export type TokenOpened =
  { readonly kind: 'opened'; readonly card: CardRow } | { readonly kind: 'refused'; readonly code: TokenRefusal }
export type TokenEnded = { readonly kind: 'ended' } | { readonly kind: 'refused'; readonly code: TokenRefusal }

/**
 * What a client of the API ordered, and the answer it got, so that a repetition gets the same. A bulk detokenization waits in its row:
 * requested by one person, approved by another, collected once.
 */
export type OrderRow = {
  /** Made of the client's name and its idempotency key. */
  readonly orderId: string
  readonly client: string
  readonly merchant: string
  readonly operation: string
  /** SHA-256 of what is ordered. */
  readonly digest: Uint8Array
  readonly state: 'pending' | 'done' | 'requested' | 'approved' | 'collected'
  /** JSON; no digit of a card beyond the last four. Empty while there is none. */
  readonly answer: string
  /** JSON: what the order is about, where that is needed later. */
  readonly detail: string
  readonly createdAtMs: number
  /** Forgotten from then on. */
  readonly endsAtMs: number
}

/** What becomes of an order's row; a null leaves it as it is, or writes nothing down. */
export type OrderStep<Result> = {
  readonly orderId: string
  readonly decide: (row: OrderRow | null, nowMs: number) => OrderDecision<Result>
}
export type OrderDecision<Result> = {
  readonly result: Result
  readonly row: OrderRow | null
  readonly audit: AuditEntry | null
}

export type ChargeOutcome =
  | { readonly type: 'approved'; readonly approvalCode: string }
  | { readonly type: 'declined'; readonly declineCode: string }
