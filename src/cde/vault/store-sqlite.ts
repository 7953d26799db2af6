import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { isBrand, type Brand } from '../vault-protocol.ts'
import { AUDIT_GENESIS, chained, type AuditEntry, type AuditHead, type AuditRecord } from './audit-chain.ts'
import { failureOf, GroupCommit } from './group-commit.ts'
import { migrate, MIGRATIONS } from './sqlite-migrations.ts'
import {
  StoreFailure,
  type CardRow,
  type ChargeBegun,
  type ChargeKey,
  type ChargeOutcome,
  type ChargeStep,
  type KeyPurpose,
  type KeyRow,
  type Store,
  type TokenizeResult,
  type TokenizeStep,
} from './store.ts'

/** Another process holds the file this long at most (a migration, a reader of the audit record). */
const BUSY_MS_MAX = 2_000
const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700

/**
 * Opens the embedded store. Write-ahead log with synchronous=FULL: a commit returns after fdatasync of the log.
 * secure_delete overwrites what is deleted. Throws StoreFailure when the file cannot be opened or is of a later release.
 */
export function openSqliteStore(options: { readonly file: string; readonly nowMs: () => number }): Store {
  try {
    mkdirSync(dirname(options.file), { recursive: true, mode: OWNER_ONLY_FOLDER })
    // The log and its index take the mode of the file, so it must be narrow before SQLite sees it.
    closeSync(openSync(options.file, 'a', OWNER_ONLY))
    chmodSync(options.file, OWNER_ONLY)
    const database = new DatabaseSync(options.file, { enableForeignKeyConstraints: true, timeout: BUSY_MS_MAX })
    database.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF',
    )
    if (migrate(database, { migrations: MIGRATIONS, nowMs: options.nowMs }) === 'too_new') {
      database.close()
      throw new StoreFailure('TOO_NEW')
    }
    syncFolder(dirname(options.file))
    return new SqliteStore(database, options.nowMs)
  } catch (error) {
    throw failureOf(error)
  }
}

/** The name of a new file is durable only when its folder is. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync
  readonly #commit: GroupCommit
  readonly #nowMs: () => number
  readonly #sql: ReturnType<typeof statements>

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#database = database
    this.#commit = new GroupCommit(database)
    this.#nowMs = nowMs
    this.#sql = statements(database)
  }

  activeKey(merchant: string, purpose: KeyPurpose): Promise<KeyRow | null> {
    return this.#read(() => optional(this.#sql.activeKey.get(merchant, purpose), keyRow))
  }

  keyById(keyId: string): Promise<KeyRow | null> {
    return this.#read(() => optional(this.#sql.keyById.get(keyId), keyRow))
  }

  addKey(row: KeyRow, audit: AuditEntry): Promise<KeyRow> {
    return this.#commit.run(() => {
      const faster = optional(this.#sql.activeKey.get(row.merchant, row.purpose), keyRow)
      if (faster !== null) return faster
      this.#insertKey(row)
      this.#append(audit)
      return row
    })
  }

  rotateKey(row: KeyRow, audit: AuditEntry): Promise<void> {
    return this.#commit.run(() => {
      this.#sql.retireKey.run(row.merchant, row.purpose)
      this.#insertKey(row)
      this.#append(audit)
    })
  }

  tokenize(step: TokenizeStep): Promise<TokenizeResult> {
    return this.#commit.run(() => {
      const result = this.#tokenize(step)
      if (result.kind === 'conflict') this.#append(step.audit({ outcome: 'idempotency_conflict', token: '' }))
      else this.#append(step.audit({ outcome: result.kind === 'repeated' ? 'repeated' : 'done', token: result.token }))
      return result
    })
  }

  card(place: { readonly merchant: string; readonly token: string }): Promise<CardRow | null> {
    return this.#read(() => optional(this.#sql.card.get(place.merchant, place.token), cardRow))
  }

  beginCharge(step: ChargeStep): Promise<ChargeBegun> {
    return this.#commit.run(() => {
      const begun = this.#beginCharge(step)
      this.#append(step.audit(begun.kind === 'refused' ? begun.code : begun.kind === 'finished' ? 'repeated' : 'done'))
      return begun
    })
  }

  finishCharge(step: ChargeKey & { readonly outcome: ChargeOutcome; readonly audit: AuditEntry }): Promise<void> {
    return this.#commit.run(() => {
      const { outcome } = step
      const code = outcome.type === 'approved' ? outcome.approvalCode : outcome.declineCode
      this.#sql.finishRequest.run(outcome.type, code, step.merchant, 'authorize', step.idempotencyKey)
      this.#append(step.audit)
    })
  }

  append(audit: AuditEntry): Promise<void> {
    return this.#commit.run(() => this.#append(audit))
  }

  auditHead(): Promise<AuditHead> {
    return this.#read(() => this.#head())
  }

  auditAfter(sequence: number, limit: number): Promise<readonly AuditRecord[]> {
    return this.#read(() => this.#sql.auditAfter.all(sequence, limit).map(auditRecord))
  }

  forgetRequests(before: { readonly createdBeforeMs: number; readonly limit: number }): Promise<number> {
    return this.#commit.run(() => Number(this.#sql.forgetRequests.run(before.createdBeforeMs, before.limit).changes))
  }

  close(): Promise<void> {
    if (!this.#database.isOpen) return Promise.resolve()
    return this.#read(() => {
      this.#commit.drain()
      this.#database.close()
    })
  }

  #tokenize(step: TokenizeStep): TokenizeResult {
    const { merchant, fingerprint, idempotencyKey } = step
    const request = this.#sql.request.get(merchant, 'tokenize', idempotencyKey)
    if (request !== undefined) {
      if (!sameBytes(bytesOf(request, 'digest'), fingerprint)) return { kind: 'conflict' }
      return { kind: 'repeated', ...faceOf(this.#sql.card.get(merchant, textOf(request, 'token'))) }
    }
    const known = this.#sql.cardByFingerprint.get(merchant, fingerprint)
    const token = known === undefined ? step.token : textOf(known, 'token')
    if (known === undefined) {
      const nowMs = this.#nowMs()
      const sealed = step.seal(token)
      this.#sql.addCard.run(token, merchant, fingerprint, step.keyId, sealed, step.lastFour, step.brand, nowMs, nowMs)
    } else if (step.replaceKnown) {
      this.#sql.replaceCard.run(step.keyId, step.seal(token), this.#nowMs(), token)
    }
    this.#sql.addRequest.run(merchant, 'tokenize', idempotencyKey, fingerprint, token, 'done', '', this.#nowMs())
    const { lastFour, brand } = step
    return known === undefined ? { kind: 'created', token, lastFour, brand } : { kind: 'known', ...faceOf(known) }
  }

  #beginCharge(step: ChargeStep): ChargeBegun {
    const { merchant, idempotencyKey, digest, token } = step
    const card = optional(this.#sql.card.get(merchant, token), cardRow)
    if (card === null) return { kind: 'refused', code: 'unknown_token' }
    const request = this.#sql.request.get(merchant, 'authorize', idempotencyKey)
    if (request === undefined) {
      this.#sql.addRequest.run(merchant, 'authorize', idempotencyKey, digest, token, 'pending', '', this.#nowMs())
      return { kind: 'begun', card }
    }
    if (!sameBytes(bytesOf(request, 'digest'), digest)) return { kind: 'refused', code: 'idempotency_conflict' }
    const code = textOf(request, 'outcome_code')
    const outcome = textOf(request, 'outcome')
    if (outcome === 'approved') return { kind: 'finished', outcome: { type: 'approved', approvalCode: code } }
    if (outcome === 'declined') return { kind: 'finished', outcome: { type: 'declined', declineCode: code } }
    return { kind: 'begun', card }
  }

  #insertKey(row: KeyRow): void {
    this.#sql.addKey.run(row.keyId, row.merchant, row.purpose, row.kekId, row.wrapped, row.createdAtMs)
  }

  /** The head is read within the transaction, so that two processes on one file still make one chain. */
  #append(entry: AuditEntry): void {
    const record = chained(entry, this.#head(), this.#nowMs())
    const { sequence, at, role, action, outcome, origin, merchant, resource, windowId, hash } = record
    this.#sql.addAudit.run(sequence, at, role, action, outcome, origin, merchant, resource, windowId, hash)
  }

  #head(): AuditHead {
    const row = this.#sql.auditHead.get()
    if (row === undefined) return AUDIT_GENESIS
    return { sequence: integerOf(row, 'sequence'), hash: bytesOf(row, 'hash') }
  }

  #read<Result>(work: () => Result): Promise<Result> {
    try {
      return Promise.resolve(work())
    } catch (error) {
      return Promise.reject(failureOf(error))
    }
  }
}

function statements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    activeKey: prepare("SELECT * FROM keys WHERE merchant = ? AND purpose = ? AND state = 'active'"),
    keyById: prepare('SELECT * FROM keys WHERE key_id = ?'),
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
    forgetRequests: prepare(
      'DELETE FROM requests WHERE (merchant, operation, idempotency_key) IN' +
        ' (SELECT merchant, operation, idempotency_key FROM requests WHERE created_at_ms < ? LIMIT ?)',
    ),
    auditHead: prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1'),
    auditAfter: prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?'),
    addAudit: prepare(
      'INSERT INTO audit (sequence, at, role, action, outcome, origin, merchant, resource, window_id, hash)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>

function optional<Result>(row: Row | undefined, take: (row: Row) => Result): Result | null {
  return row === undefined ? null : take(row)
}

function keyRow(row: Row): KeyRow {
  return {
    keyId: textOf(row, 'key_id'),
    merchant: textOf(row, 'merchant'),
    purpose: textOf(row, 'purpose') === 'card' ? 'card' : 'fingerprint',
    kekId: textOf(row, 'kek_id'),
    wrapped: bytesOf(row, 'wrapped'),
    createdAtMs: integerOf(row, 'created_at_ms'),
  }
}

function cardRow(row: Row): CardRow {
  return {
    ...faceOf(row),
    merchant: textOf(row, 'merchant'),
    keyId: textOf(row, 'key_id'),
    sealed: bytesOf(row, 'sealed'),
  }
}

/** What may be shown of a card. */
function faceOf(row: Row | undefined): { readonly token: string; readonly lastFour: string; readonly brand: Brand } {
  if (row === undefined) throw new StoreFailure('ROW_MISSING')
  const brand = textOf(row, 'brand')
  return { token: textOf(row, 'token'), lastFour: textOf(row, 'last_four'), brand: isBrand(brand) ? brand : 'unknown' }
}

function auditRecord(row: Row): AuditRecord {
  return {
    sequence: integerOf(row, 'sequence'),
    at: textOf(row, 'at'),
    role: textOf(row, 'role'),
    action: textOf(row, 'action'),
    outcome: textOf(row, 'outcome'),
    origin: textOf(row, 'origin'),
    merchant: textOf(row, 'merchant'),
    resource: textOf(row, 'resource'),
    windowId: textOf(row, 'window_id'),
    hash: bytesOf(row, 'hash'),
  }
}

function textOf(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new StoreFailure('COLUMN_TYPE')
  return value
}

function integerOf(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw new StoreFailure('COLUMN_TYPE')
  return value
}

function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw new StoreFailure('COLUMN_TYPE')
  return value
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
