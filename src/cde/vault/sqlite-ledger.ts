import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { AUDIT_GENESIS, chained, type AuditEntry, type AuditHead } from './audit-chain.ts'
import type { FingerprintPlace, KeySlot, Ledger, NewCard, RequestName, RequestRow, TokenPlace } from './ledger.ts'
import type { CardRow, KeyRow } from './store.ts'
import { auditHead, cardRow, keyRow, optional, requestRow } from './store-rows.ts'

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
    this.#sql.addKey.run(row.keyId, row.merchant, row.purpose, row.kekId, row.wrapped, row.createdAtMs)
  }

  retireKey({ merchant, purpose }: KeySlot): void {
    this.#sql.retireKey.run(merchant, purpose)
  }

  card({ merchant, token }: TokenPlace): CardRow | null {
    return optional(this.#sql.card.get(merchant, token), cardRow)
  }

  cardByFingerprint({ merchant, fingerprint }: FingerprintPlace): CardRow | null {
    return optional(this.#sql.cardByFingerprint.get(merchant, fingerprint), cardRow)
  }

  addCard({ token, merchant, fingerprint, keyId, sealed, lastFour, brand, atMs }: NewCard): void {
    this.#sql.addCard.run(token, merchant, fingerprint, keyId, sealed, lastFour, brand, atMs, atMs)
  }

  replaceCard(card: CardRow, by: { readonly keyId: string; readonly sealed: Uint8Array; readonly atMs: number }): void {
    this.#sql.replaceCard.run(by.keyId, by.sealed, by.atMs, card.token)
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

function statements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    activeKey: prepare("SELECT * FROM keys WHERE merchant = ? AND purpose = ? AND state = 'active'"),
    addKey: prepare(
      "INSERT INTO keys (key_id, merchant, purpose, state, kek_id, wrapped, created_at_ms) VALUES (?, ?, ?, 'active', ?, ?, ?)",
    ),
    retireKey: prepare("UPDATE keys SET state = 'retired' WHERE merchant = ? AND purpose = ? AND state = 'active'"),
    card: prepare('SELECT * FROM cards WHERE merchant = ? AND token = ?'),
    cardByFingerprint: prepare('SELECT * FROM cards WHERE merchant = ? AND fingerprint = ?'),
    addCard: prepare(
      'INSERT INTO cards (token, merchant, fingerprint, key_id, sealed, last_four, brand, created_at_ms, updated_at_ms)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    replaceCard: prepare('UPDATE cards SET key_id = ?, sealed = ?, updated_at_ms = ? WHERE token = ?'),
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
