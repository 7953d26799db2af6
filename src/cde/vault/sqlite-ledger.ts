import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { AUDIT_GENESIS, chained, type AuditEntry, type AuditHead } from './audit-chain.ts'
import type {
  CardChange,
  FingerprintPlace,
  KeySlot,
  Ledger,
  NewCard,
  PastTime,
  RequestName,
  RequestRow,
  TokenPlace,
} from './ledger.ts'
import type { CardRow, CustodianRow, KeyRow, OrderRow } from './store.ts'
import { auditHead, cardRow, keyRow, optional, orderRow, requestRow } from './store-rows.ts'

/** Looks up and writes at once: the database is in this process. */
export class SqliteLedger implements Ledger {
  readonly nowMs: () => number
  readonly #sql: ReturnType<typeof statements>

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.nowMs = nowMs
    this.#sql = statements(database)
  }

  activeKey({ merchant, purpose }: KeySlot): KeyRow | null {
    return optional(this.#sql.activeKey.get(merchant, purpose), keyRow)
  }

  addKey(row: KeyRow): void {
    const { keyId, merchant, purpose, fingerprintKeyId, kekId, wrapped, createdAtMs } = row
    this.#sql.addKey.run(keyId, merchant, purpose, fingerprintKeyId, kekId, wrapped, createdAtMs)
  }

  retireKey({ merchant, purpose }: KeySlot): void {
    this.#sql.retireKey.run(this.nowMs(), merchant, purpose)
  }

  shredKey({ keyId }: KeyRow): void {
    const atMs = this.nowMs()
    this.#sql.shredKey.run(atMs, atMs, keyId)
  }

  rewrapKey({ keyId, kekId, wrapped }: KeyRow): void {
    this.#sql.rewrapKey.run(kekId, wrapped, keyId)
  }

  addCustodian({ kekId, share, threshold, digest, createdAtMs }: CustodianRow): void {
    this.#sql.addCustodian.run(kekId, share, threshold, digest, createdAtMs)
  }

  card({ merchant, token }: TokenPlace): CardRow | null {
    return optional(this.#sql.card.get(merchant, token), cardRow)
  }

  cardByFingerprint({ merchant, fingerprint }: FingerprintPlace): CardRow | null {
    return optional(this.#sql.cardByFingerprint.get(merchant, fingerprint), cardRow)
  }

  isTaken(token: string): boolean {
    return this.#sql.isTaken.get(token) !== undefined
  }

  cardsPastTime({ nowMs, limit }: PastTime): readonly CardRow[] {
    return this.#sql.cardsPastTime.all(nowMs, limit).map(cardRow)
  }

  addCard(row: NewCard): void {
    const { token, merchant, fingerprint, keyId, sealed, lastFour, brand, reuse, state, endsAtMs, atMs } = row
    const face = [token, merchant, fingerprint, keyId, sealed, lastFour, brand]
    this.#sql.addCard.run(...face, reuse, state, row.claim, endsAtMs, atMs, atMs)
  }

  replaceCard(card: CardRow, by: CardChange): void {
    const { token, keyId, sealed, state, claim, endsAtMs } = { ...card, ...by }
    this.#sql.replaceCard.run(keyId, sealed, state, claim, endsAtMs, by.atMs, state, by.fingerprint ?? null, token)
  }

  order(orderId: string): OrderRow | null {
    return optional(this.#sql.order.get(orderId), orderRow)
  }

  putOrder(row: OrderRow): void {
    const { orderId, client, merchant, operation, digest, state, answer, detail, createdAtMs, endsAtMs } = row
    this.#sql.putOrder.run(
      ...[orderId, client, merchant, operation, digest, state, answer, detail],
      createdAtMs,
      endsAtMs,
    )
  }

  request({ merchant, operation, idempotencyKey }: RequestName): RequestRow | null {
    return optional(this.#sql.request.get(merchant, operation, idempotencyKey), requestRow)
  }

  addRequest(row: RequestRow): void {
    const { merchant, operation, idempotencyKey, digest, token, outcome, outcomeCode, createdAtMs } = row
    this.#sql.addRequest.run(merchant, operation, idempotencyKey, digest, token, outcome, outcomeCode, createdAtMs)
  }

  finishRequest(name: RequestName, { outcome, outcomeCode }: Pick<RequestRow, 'outcome' | 'outcomeCode'>): void {
    this.#sql.finishRequest.run(outcome, outcomeCode, name.merchant, name.operation, name.idempotencyKey)
  }

  /** The head is read within the transaction, so that two processes on one file still make one chain. */
  append(entry: AuditEntry): void {
    const record = chained(entry, this.head(), this.nowMs())
    const { sequence, at, role, action, outcome, origin, merchant, resource, windowId, hash } = record
    this.#sql.addAudit.run(sequence, at, role, action, outcome, origin, merchant, resource, windowId, hash)
  }

  head(): AuditHead {
    return optional(this.#sql.auditHead.get(), auditHead) ?? AUDIT_GENESIS
  }
}

/** Beside each card, whether its key still is. */
export const CARDS = 'SELECT c.*, k.shredded_at_ms FROM cards c JOIN keys k ON k.key_id = c.key_id '

function statements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    activeKey: prepare("SELECT * FROM keys WHERE merchant = ? AND purpose = ? AND state = 'active'"),
    addKey: prepare(
      'INSERT INTO keys (key_id, merchant, purpose, state, fingerprint_key_id, kek_id, wrapped, created_at_ms)' +
        " VALUES (?, ?, ?, 'active', ?, ?, ?, ?)",
    ),
    retireKey: prepare(
      "UPDATE keys SET state = 'retired', retired_at_ms = ? WHERE merchant = ? AND purpose = ? AND state = 'active'",
    ),
    shredKey: prepare(
      "UPDATE keys SET state = 'retired', wrapped = x'', shredded_at_ms = ?," +
        ' retired_at_ms = CASE retired_at_ms WHEN 0 THEN ? ELSE retired_at_ms END WHERE key_id = ? AND shredded_at_ms = 0',
    ),
    rewrapKey: prepare('UPDATE keys SET kek_id = ?, wrapped = ? WHERE key_id = ? AND shredded_at_ms = 0'),
    addCustodian: prepare(
      'INSERT INTO custodians (kek_id, share, threshold, digest, created_at_ms) VALUES (?, ?, ?, ?, ?)',
    ),
    card: prepare(CARDS + 'WHERE c.merchant = ? AND c.token = ?'),
    cardByFingerprint: prepare(
      CARDS + "WHERE c.merchant = ? AND c.fingerprint = ? AND c.reuse = 'reusable' AND c.state = 'live'",
    ),
    isTaken: prepare('SELECT 1 FROM cards WHERE token = ?'),
    cardsPastTime: prepare(CARDS + 'WHERE c.ends_at_ms > 0 AND c.ends_at_ms <= ? ORDER BY c.ends_at_ms LIMIT ?'),
    addCard: prepare(
      'INSERT INTO cards (token, merchant, fingerprint, key_id, sealed, last_four, brand,' +
        ' reuse, state, claim, ends_at_ms, created_at_ms, updated_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    replaceCard: prepare(
      'UPDATE cards SET key_id = ?, sealed = ?, state = ?, claim = ?, ends_at_ms = ?, updated_at_ms = ?,' +
        " fingerprint = CASE ? WHEN 'gone' THEN zeroblob(32) ELSE coalesce(?, fingerprint) END WHERE token = ?",
    ),
    order: prepare('SELECT * FROM orders WHERE order_id = ?'),
    putOrder: prepare(
      'INSERT INTO orders (order_id, client, merchant, operation, digest, state, answer, detail, created_at_ms, ends_at_ms)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET' +
        ' state = excluded.state, answer = excluded.answer, detail = excluded.detail, ends_at_ms = excluded.ends_at_ms',
    ),
    request: prepare('SELECT * FROM requests WHERE merchant = ? AND operation = ? AND idempotency_key = ?'),
    addRequest: prepare(
      'INSERT INTO requests (merchant, operation, idempotency_key, digest, token, outcome, outcome_code, created_at_ms)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    finishRequest: prepare(
      'UPDATE requests SET outcome = ?, outcome_code = ? WHERE merchant = ? AND operation = ? AND idempotency_key = ?',
    ),
    auditHead: prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1'),
    addAudit: prepare(
      'INSERT INTO audit (sequence, at, role, action, outcome, origin, merchant, resource, window_id, hash)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
  }
}
