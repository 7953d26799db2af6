import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { AUDIT_GENESIS, type AuditEntry, type AuditHead, type AuditRecord } from './audit-chain.ts'
import { failureOf, GroupCommit } from './group-commit.ts'
import type { LedgerStep } from './ledger.ts'
import {
  addCustodiansStep,
  addKeyStep,
  appendStep,
  beginChargeStep,
  finishChargeStep,
  resealCardsStep,
  rewrapKeyStep,
  rotateKeyStep,
  shredKeysStep,
  tokenizeStep,
} from './ledger-steps.ts'
import { MIGRATIONS } from './migrations.ts'
import { CARDS, SqliteLedger } from './sqlite-ledger.ts'
import { migrate } from './sqlite-migrations.ts'
import {
  StoreFailure,
  type AuditArchive,
  type CardRow,
  type ChargeBegun,
  type ChargeStep,
  type CustodianRow,
  type FinishStep,
  type KeyPurpose,
  type KeyRecord,
  type KeyRow,
  type OrderStep,
  type PastTimeStep,
  type ResealedCard,
  type RotateStep,
  type Store,
  type TokenEnded,
  type TokenizeResult,
  type TokenizeStep,
  type TokenOpened,
  type TokenStep,
} from './store.ts'
import { endTokensPastTimeStep, endTokenStep, orderStep, useTokenStep } from './token-steps.ts'
import {
  ARCHIVED_TO,
  auditHead,
  auditRecord,
  cardRow,
  custodianRow,
  integerOf,
  keyRecord,
  keyRow,
  OLDEST_REQUEST,
  optional,
  READABLE_KEYS,
  type Row,
} from './store-rows.ts'

/** Counted at once: a millisecond or so, in which nobody is served. */
const CARDS_COUNTED = 10_000

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
  readonly #ledger: SqliteLedger
  readonly #sql: ReturnType<typeof statements>

  constructor(database: DatabaseSync, nowMs: () => number) {
    this.#database = database
    this.#commit = new GroupCommit(database)
    this.#ledger = new SqliteLedger(database, nowMs)
    this.#sql = statements(database)
  }

  activeKey(merchant: string, purpose: KeyPurpose): Promise<KeyRow | null> {
    return this.#read(() => this.#ledger.activeKey({ merchant, purpose }))
  }

  keyById(keyId: string): Promise<KeyRow | null> {
    return this.#read(() => optional(this.#sql.keyById.get(keyId), keyRow))
  }

  addKey(row: KeyRow, audit: AuditEntry): Promise<KeyRow> {
    return this.#run(addKeyStep(row, audit))
  }

  readableKeys(merchant: string, purpose: KeyPurpose): Promise<readonly KeyRecord[]> {
    return this.#read(() => this.#sql.readableKeys.all(merchant, purpose).map(keyRecord))
  }

  keys(): Promise<readonly KeyRecord[]> {
    return this.#read(() => this.#sql.keys.all().map(keyRecord))
  }

  rotateKey(step: RotateStep): Promise<KeyRow> {
    return this.#run(rotateKeyStep(step))
  }

  /** The log still holds the key's page: it is written into the file, and emptied. */
  async shredKeys(step: { readonly keys: readonly KeyRow[]; readonly audit: readonly AuditEntry[] }): Promise<void> {
    await this.#run(shredKeysStep(step))
    await this.#read(() => this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)'))
  }

  rewrapKey(step: { readonly row: KeyRow; readonly audit: AuditEntry }): Promise<void> {
    return this.#run(rewrapKeyStep(step))
  }

  async countCards(keyId: string): Promise<number> {
    let cards = 0
    let after = ''
    for (;;) {
      const page: Row = await this.#read(() => this.#sql.countCards.get(keyId, after, CARDS_COUNTED) ?? {})
      const counted = integerOf(page, 'cards')
      cards += counted
      if (counted < CARDS_COUNTED || typeof page['last'] !== 'string') return cards
      after = page['last']
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  cardsUnder(page: {
    readonly keyId: string
    readonly after: string
    readonly limit: number
  }): Promise<readonly CardRow[]> {
    return this.#read(() => this.#sql.cardsUnder.all(page.keyId, page.after, page.limit).map(cardRow))
  }

  resealCards(cards: readonly ResealedCard[]): Promise<number> {
    return this.#run(resealCardsStep(cards))
  }

  custodians(): Promise<readonly CustodianRow[]> {
    return this.#read(() => this.#sql.custodians.all().map(custodianRow))
  }

  addCustodians(rows: readonly CustodianRow[], audit: AuditEntry): Promise<void> {
    return this.#run(addCustodiansStep(rows, audit))
  }

  tokenize(step: TokenizeStep): Promise<TokenizeResult> {
    return this.#run(tokenizeStep(step))
  }

  card(place: { readonly merchant: string; readonly token: string }): Promise<CardRow | null> {
    return this.#read(() => this.#ledger.card(place))
  }

  beginCharge(step: ChargeStep): Promise<ChargeBegun> {
    return this.#run(beginChargeStep(step))
  }

  finishCharge(step: FinishStep): Promise<void> {
    return this.#run(finishChargeStep(step))
  }

  useToken(step: TokenStep & { readonly keptMs: number }): Promise<TokenOpened> {
    return this.#run(useTokenStep(step))
  }

  endToken(step: TokenStep): Promise<TokenEnded> {
    return this.#run(endTokenStep(step))
  }

  endTokensPastTime(step: PastTimeStep): Promise<readonly CardRow[]> {
    return this.#run(endTokensPastTimeStep(step))
  }

  order<Result>(step: OrderStep<Result>): Promise<Result> {
    return this.#run(orderStep(step))
  }

  append(audit: AuditEntry): Promise<void> {
    return this.#run(appendStep(audit))
  }

  auditHead(): Promise<AuditHead> {
    return this.#read(() => this.#ledger.head())
  }

  auditAfter(sequence: number, limit: number): Promise<readonly AuditRecord[]> {
    return this.#read(() => this.#sql.auditAfter.all(sequence, limit).map(auditRecord))
  }

  shipped(sink: string): Promise<number> {
    return this.#read(() => optional(this.#sql.shipped.get(sink), (row) => integerOf(row, 'sequence')) ?? 0)
  }

  async keepShipped(sink: string, sequence: number): Promise<void> {
    await this.#commit.run(() => this.#sql.keepShipped.run(sink, sequence))
  }

  /** A file has one vault. */
  leads(): Promise<boolean> {
    return Promise.resolve(true)
  }

  async keepArchive({ last, name, archivedAtMs }: AuditArchive): Promise<void> {
    await this.#commit.run(() => this.#sql.keepArchive.run(last.sequence, last.hash, name, archivedAtMs))
  }

  archivedTo(): Promise<AuditHead> {
    return this.#read(() => optional(this.#sql.archivedTo.get(), auditHead) ?? AUDIT_GENESIS)
  }

  pruneAudit(limit: number): Promise<number> {
    return this.#commit.run(() => Number(this.#sql.pruneAudit.run(limit).changes))
  }

  forgetRequests(before: { readonly createdBeforeMs: number; readonly limit: number }): Promise<number> {
    return this.#commit.run(() => Number(this.#sql.forgetRequests.run(before.createdBeforeMs, before.limit).changes))
  }

  oldestRequestMs(): Promise<number | null> {
    return this.#read(() => optional(this.#sql.oldestRequest.get(), (row) => integerOf(row, 'created_at_ms')))
  }

  forgetOrders({ nowMs, limit }: { readonly nowMs: number; readonly limit: number }): Promise<number> {
    return this.#commit.run(() => Number(this.#sql.forgetOrders.run(nowMs, limit).changes))
  }

  close(): Promise<void> {
    if (!this.#database.isOpen) return Promise.resolve()
    return this.#read(() => {
      this.#commit.drain()
      this.#database.close()
    })
  }

  #run<Result>(step: LedgerStep<Result>): Promise<Result> {
    return this.#commit.run(() => step.run(this.#ledger))
  }

  #read<Result>(work: () => Result): Promise<Result> {
    try {
      return Promise.resolve(work())
    } catch (error) {
      return Promise.reject(failureOf(error))
    }
  }
}

/** Beside those of the ledger. */
function statements(database: DatabaseSync) {
  const prepare = (sql: string): StatementSync => database.prepare(sql)
  return {
    keyById: prepare('SELECT * FROM keys WHERE key_id = ?'),
    readableKeys: prepare(READABLE_KEYS.replaceAll(/\$\d/g, '?')),
    keys: prepare('SELECT * FROM keys ORDER BY created_at_ms, key_id'),
    countCards: prepare(
      'SELECT count(*) AS cards, max(token) AS last FROM' +
        " (SELECT token FROM cards WHERE key_id = ? AND token > ? AND state <> 'gone' ORDER BY token LIMIT ?)",
    ),
    cardsUnder: prepare(CARDS + "WHERE c.key_id = ? AND c.token > ? AND c.state <> 'gone' ORDER BY c.token LIMIT ?"),
    custodians: prepare('SELECT * FROM custodians ORDER BY created_at_ms, kek_id, share'),
    forgetRequests: prepare(
      'DELETE FROM requests WHERE (merchant, operation, idempotency_key) IN' +
        ' (SELECT merchant, operation, idempotency_key FROM requests WHERE created_at_ms < ? LIMIT ?)',
    ),
    oldestRequest: prepare(OLDEST_REQUEST),
    forgetOrders: prepare(
      'DELETE FROM orders WHERE order_id IN (SELECT order_id FROM orders WHERE ends_at_ms <= ? LIMIT ?)',
    ),
    shipped: prepare('SELECT sequence FROM audit_shipped WHERE sink = ?'),
    keepShipped: prepare('INSERT OR REPLACE INTO audit_shipped (sink, sequence) VALUES (?, ?)'),
    keepArchive: prepare(
      'INSERT OR IGNORE INTO audit_archives (last_sequence, hash, name, archived_at_ms) VALUES (?, ?, ?, ?)',
    ),
    archivedTo: prepare(ARCHIVED_TO),
    pruneAudit: prepare(
      'DELETE FROM audit WHERE sequence IN (SELECT sequence FROM audit WHERE sequence <' +
        ' (SELECT coalesce(max(last_sequence), 0) FROM audit_archives) ORDER BY sequence LIMIT ?)',
    ),
    auditAfter: prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?'),
  }
}
