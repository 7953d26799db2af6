import { AUDIT_GENESIS, type AuditEntry, type AuditHead, type AuditRecord } from './audit-chain.ts'
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
import { PostgresCommit } from './postgres-commit.ts'
import {
  countOf,
  PostgresConnection,
  type Answer,
  type PostgresOptions,
  type PostgresSession,
  type Statement,
} from './postgres-connection.ts'
import { postgresVersion } from './postgres-migrations.ts'
import { CARDS, cardsByToken, keysActive } from './postgres-statements.ts'
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
} from './store-rows.ts'

/** Of all vaults together, one holds it. Any number will do; 7209001 is the chain's, 7209002 that of migrations. */
const LEADER_LOCK = 7_209_003
/** One look-up, with the wait for a connection behind it. */
const READ_MS_MAX = 3_000
/** Many millions of cards are counted in this time. */
const COUNT_MS_MAX = 60_000

/**
 * Opens the store on a PostgreSQL that `tonewall vault migrate` has prepared. Several vaults may work on it at once. Each has two
 * connections: one for its transactions, which come one after the other, and one for look-ups. Rejects with
 * StoreFailure: NOT_MIGRATED, TOO_NEW, or why the server cannot be used.
 */
export async function openPostgresStore(options: PostgresOptions & { readonly nowMs: () => number }): Promise<Store> {
  const store = new PostgresStore(options)
  try {
    await store.check()
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

class PostgresStore implements Store {
  readonly #writing: PostgresConnection
  readonly #reading: PostgresConnection
  readonly #commit: PostgresCommit
  /** The session that held the leader's lock when it was last asked. */
  #leading: PostgresSession | null = null

  constructor(options: PostgresOptions & { readonly nowMs: () => number }) {
    this.#writing = new PostgresConnection(options)
    this.#reading = new PostgresConnection(options)
    this.#commit = new PostgresCommit(this.#writing, options.nowMs)
  }

  async check(): Promise<void> {
    const session = await this.#reading.session()
    const version = await postgresVersion(session).catch((error: unknown) => {
      // There is no such table, or it may not be read: nobody has prepared this database for us.
      const isBare = error instanceof StoreFailure && (error.code === 'PG_42P01' || error.code === 'PG_42501')
      throw isBare ? new StoreFailure('NOT_MIGRATED') : error
    })
    const newest = MIGRATIONS.at(-1)?.version ?? 0
    if (version < newest) throw new StoreFailure('NOT_MIGRATED')
    if (version > newest) throw new StoreFailure('TOO_NEW')
  }

  async activeKey(merchant: string, purpose: KeyPurpose): Promise<KeyRow | null> {
    return optional((await this.#read(keysActive([{ merchant, purpose }]))).rows[0], keyRow)
  }

  async keyById(keyId: string): Promise<KeyRow | null> {
    return optional(
      (await this.#read({ text: 'SELECT * FROM keys WHERE key_id = $1', values: [keyId] })).rows[0],
      keyRow,
    )
  }

  addKey(row: KeyRow, audit: AuditEntry): Promise<KeyRow> {
    return this.#commit.run(addKeyStep(row, audit))
  }

  async readableKeys(merchant: string, purpose: KeyPurpose): Promise<readonly KeyRecord[]> {
    return (await this.#read({ text: READABLE_KEYS, values: [merchant, purpose] })).rows.map(keyRecord)
  }

  async keys(): Promise<readonly KeyRecord[]> {
    return (await this.#read({ text: 'SELECT * FROM keys ORDER BY created_at_ms, key_id' })).rows.map(keyRecord)
  }

  rotateKey(step: RotateStep): Promise<KeyRow> {
    return this.#commit.run(rotateKeyStep(step))
  }

  shredKeys(step: { readonly keys: readonly KeyRow[]; readonly audit: readonly AuditEntry[] }): Promise<void> {
    return this.#commit.run(shredKeysStep(step))
  }

  rewrapKey(step: { readonly row: KeyRow; readonly audit: AuditEntry }): Promise<void> {
    return this.#commit.run(rewrapKeyStep(step))
  }

  async countCards(keyId: string): Promise<number> {
    const text = "SELECT count(*) AS cards FROM cards WHERE key_id = $1 AND state <> 'gone'"
    return countOf(await this.#read({ text, values: [keyId] }, COUNT_MS_MAX), 'cards')
  }

  async cardsUnder(page: {
    readonly keyId: string
    readonly after: string
    readonly limit: number
  }): Promise<readonly CardRow[]> {
    const { rows } = await this.#read({
      name: 'cards_under',
      text: CARDS + "WHERE c.key_id = $1 AND c.token > $2 AND c.state <> 'gone' ORDER BY c.token LIMIT $3",
      values: [page.keyId, page.after, page.limit],
    })
    return rows.map(cardRow)
  }

  resealCards(cards: readonly ResealedCard[]): Promise<number> {
    return this.#commit.run(resealCardsStep(cards))
  }

  async custodians(): Promise<readonly CustodianRow[]> {
    const { rows } = await this.#read({ text: 'SELECT * FROM custodians ORDER BY created_at_ms, kek_id, share' })
    return rows.map(custodianRow)
  }

  addCustodians(rows: readonly CustodianRow[], audit: AuditEntry): Promise<void> {
    return this.#commit.run(addCustodiansStep(rows, audit))
  }

  tokenize(step: TokenizeStep): Promise<TokenizeResult> {
    return this.#commit.run(tokenizeStep(step))
  }

  async card(place: { readonly merchant: string; readonly token: string }): Promise<CardRow | null> {
    return optional((await this.#read(cardsByToken([place]))).rows[0], cardRow)
  }

  beginCharge(step: ChargeStep): Promise<ChargeBegun> {
    return this.#commit.run(beginChargeStep(step))
  }

  finishCharge(step: FinishStep): Promise<void> {
    return this.#commit.run(finishChargeStep(step))
  }

  useToken(step: TokenStep & { readonly keptMs: number }): Promise<TokenOpened> {
    return this.#commit.run(useTokenStep(step))
  }

  endToken(step: TokenStep): Promise<TokenEnded> {
    return this.#commit.run(endTokenStep(step))
  }

  endTokensPastTime(step: PastTimeStep): Promise<readonly CardRow[]> {
    return this.#commit.run(endTokensPastTimeStep(step))
  }

  order<Result>(step: OrderStep<Result>): Promise<Result> {
    return this.#commit.run(orderStep(step))
  }

  append(audit: AuditEntry): Promise<void> {
    return this.#commit.run(appendStep(audit))
  }

  async auditHead(): Promise<AuditHead> {
    const { rows } = await this.#read({ text: 'SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1' })
    return optional(rows[0], auditHead) ?? AUDIT_GENESIS
  }

  async auditAfter(sequence: number, limit: number): Promise<readonly AuditRecord[]> {
    const { rows } = await this.#read({
      name: 'audit_after',
      text: 'SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2',
      values: [sequence, limit],
    })
    return rows.map(auditRecord)
  }

  async shipped(sink: string): Promise<number> {
    const { rows } = await this.#read({ text: 'SELECT sequence FROM audit_shipped WHERE sink = $1', values: [sink] })
    return optional(rows[0], (row) => integerOf(row, 'sequence')) ?? 0
  }

  async keepShipped(sink: string, sequence: number): Promise<void> {
    const text =
      'INSERT INTO audit_shipped (sink, sequence) VALUES ($1, $2) ON CONFLICT (sink) DO UPDATE SET sequence = $2'
    await this.#read({ name: 'keep_shipped', text, values: [sink, sequence] })
  }

  /** Who holds a lock of the session, which the server takes back when the session ends, however it does. */
  async leads(): Promise<boolean> {
    const session = await this.#reading.session()
    const isHeld = this.#leading === session
    const text = isHeld ? 'SELECT true AS held' : 'SELECT pg_try_advisory_lock(' + String(LEADER_LOCK) + ') AS held'
    const { rows } = await session.within(READ_MS_MAX, () => session.query({ text }))
    this.#leading = rows[0]?.['held'] === true ? session : null
    return this.#leading !== null
  }

  async keepArchive({ last, name, archivedAtMs }: AuditArchive): Promise<void> {
    const text =
      'INSERT INTO audit_archives (last_sequence, hash, name, archived_at_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING'
    await this.#read({ text, values: [last.sequence, Buffer.from(last.hash), name, archivedAtMs] })
  }

  async archivedTo(): Promise<AuditHead> {
    return optional((await this.#read({ text: ARCHIVED_TO })).rows[0], auditHead) ?? AUDIT_GENESIS
  }

  async pruneAudit(limit: number): Promise<number> {
    const text =
      'DELETE FROM audit WHERE sequence = ANY (ARRAY (SELECT sequence FROM audit WHERE sequence <' +
      ' (SELECT coalesce(max(last_sequence), 0) FROM audit_archives) ORDER BY sequence LIMIT $1))'
    return (await this.#read({ text, values: [limit] })).count
  }

  /** Takes no part in the chain, and passes over rows that another vault is forgetting at this moment. */
  async forgetRequests(before: { readonly createdBeforeMs: number; readonly limit: number }): Promise<number> {
    const { count } = await this.#read({
      text:
        'DELETE FROM requests WHERE ctid = ANY (ARRAY (SELECT ctid FROM requests WHERE created_at_ms < $1 LIMIT $2' +
        ' FOR UPDATE SKIP LOCKED))',
      values: [before.createdBeforeMs, before.limit],
    })
    return count
  }

  async oldestRequestMs(): Promise<number | null> {
    return optional((await this.#read({ text: OLDEST_REQUEST })).rows[0], (row) => integerOf(row, 'created_at_ms'))
  }

  async forgetOrders({ nowMs, limit }: { readonly nowMs: number; readonly limit: number }): Promise<number> {
    const { count } = await this.#read({
      text:
        'DELETE FROM orders WHERE ctid = ANY (ARRAY (SELECT ctid FROM orders WHERE ends_at_ms <= $1 LIMIT $2' +
        ' FOR UPDATE SKIP LOCKED))',
      values: [nowMs, limit],
    })
    return count
  }

  async close(): Promise<void> {
    await this.#commit.drain()
    await this.#writing.close()
    await this.#reading.close()
  }

  async #read(statement: Statement, msMax = READ_MS_MAX): Promise<Answer> {
    const session = await this.#reading.session()
    return session.within(msMax, () => session.query(statement))
  }
}
