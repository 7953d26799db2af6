import type { DatabaseSync } from 'node:sqlite'
import { AUDIT_GENESIS, verifyAudit, type AuditHead, type AuditRecord } from './audit-chain.ts'
import { countOf, type PostgresSession } from './postgres-connection.ts'
import { CHAIN_LOCK } from './postgres-ledger.ts'
import { auditHead, auditRecord, bytesOf, integerOf, optional, type Row } from './store-rows.ts'

/** Copied and compared at once. */
const ROWS_IN_PAGE = 1_000

/** What is moved, in an order in which no row names one that is not there yet. The audit record is last: it says that all is there. */
export const MOVED_TABLES = [
  'custodians',
  'keys',
  'cards',
  'requests',
  'orders',
  'audit_shipped',
  'audit_archives',
  'audit',
] as const
export type MovedTable = (typeof MOVED_TABLES)[number]

export type MoveOutcome =
  | { readonly kind: 'moved'; readonly rows: Readonly<Record<MovedTable, number>>; readonly head: AuditHead }
  /** source_broken: the file's own audit record does not hold. differs: the database holds what the file does not. */
  | { readonly kind: 'refused'; readonly code: 'already_moved' | 'differs' | 'source_broken' | 'not_complete' }

/**
 * Copies a vault's file into an empty database, or goes on with a copy that was broken off, and compares every row afterwards. Tokens, sealed
 * cards and the audit chain stay as they are, byte for byte. No vault can write to either while it lasts: both are
 * locked. Rejects with the database's failure.
 */
export async function moveStore(source: DatabaseSync, session: PostgresSession): Promise<MoveOutcome> {
  source.exec('BEGIN IMMEDIATE')
  try {
    await session.queries({
      text: 'SET statement_timeout = 0; SELECT pg_advisory_lock(' + String(CHAIN_LOCK) + ')',
    })
    return await moveLocked(source, session)
  } finally {
    source.exec('ROLLBACK')
    await session.queries({ text: 'SELECT pg_advisory_unlock_all()' }).catch(() => session.destroy())
  }
}

async function moveLocked(source: DatabaseSync, session: PostgresSession): Promise<MoveOutcome> {
  const head = headOf(source)
  if ((await verifyAudit(sourceRecords(source), trustedStart(source))).kind === 'broken')
    return refused('source_broken')
  const target = optional(
    (await session.query({ text: 'SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1' })).rows[0],
    auditHead,
  )
  if (target !== null && target.sequence > head.sequence) {
    const { rows } = await session.query({
      text: 'SELECT sequence, hash FROM audit WHERE sequence = $1',
      values: [head.sequence],
    })
    const same = optional(rows[0], auditHead)
    return refused(same !== null && sameBytes(same.hash, head.hash) ? 'already_moved' : 'differs')
  }
  for (const table of MOVED_TABLES) if (!(await isWithin(table, source, session))) return refused('differs')
  for (const table of MOVED_TABLES) await copy(table, source, session)

  const rows = {
    custodians: 0,
    keys: 0,
    cards: 0,
    requests: 0,
    orders: 0,
    audit_shipped: 0,
    audit_archives: 0,
    audit: 0,
  }
  for (const table of MOVED_TABLES) {
    rows[table] = integerOf(source.prepare('SELECT count(*) AS rows FROM ' + table).get() ?? {}, 'rows')
    const there = countOf(await session.query({ text: 'SELECT count(*) AS rows FROM ' + table }), 'rows')
    if (there !== rows[table] || !(await isWithin(table, source, session))) return refused('not_complete')
  }
  return { kind: 'moved', rows, head }
}

/** Whether each row that the database holds is the file's. */
async function isWithin(table: MovedTable, source: DatabaseSync, session: PostgresSession): Promise<boolean> {
  const { key } = SHAPES[table]
  const find = source.prepare('SELECT * FROM ' + table + ' WHERE ' + key.map((column) => column + ' = ?').join(' AND '))
  let after: readonly Value[] | null = null
  for (;;) {
    const rows: readonly Row[] = (await session.query(pageOf(table, after))).rows
    for (const row of rows) {
      const own = find.get(...key.map((column) => valueOf(row, column)))
      if (own === undefined || !sameRow(table, own, row)) return false
    }
    const last = rows.at(-1)
    if (last === undefined) return true
    after = key.map((column) => valueOf(last, column))
  }
}

async function copy(table: MovedTable, source: DatabaseSync, session: PostgresSession): Promise<void> {
  const { columns } = SHAPES[table]
  const casts = columns.map((column, index) => '$' + String(index + 1) + '::' + typeOf(column) + '[]')
  const text =
    'INSERT INTO ' +
    table +
    ' (' +
    columns.join(', ') +
    ') SELECT * FROM unnest(' +
    casts.join(', ') +
    ')' +
    ' ON CONFLICT DO NOTHING'
  let rows: Row[] = []
  const flush = async (): Promise<void> => {
    const page = rows
    rows = []
    if (page.length === 0) return
    await session.query({ text, values: columns.map((column) => page.map((row) => valueOf(row, column))) })
  }
  for (const row of source.prepare('SELECT * FROM ' + table + ' ORDER BY ' + SHAPES[table].key.join(', ')).iterate()) {
    if (rows.push(row) >= ROWS_IN_PAGE) await flush()
  }
  await flush()
}

function pageOf(table: MovedTable, after: readonly Value[] | null) {
  const { key } = SHAPES[table]
  const names = key.join(', ')
  const places = key.map((column, index) => '$' + String(index + 1) + '::' + typeOf(column)).join(', ')
  const where = after === null ? '' : ' WHERE (' + names + ') > (' + places + ')'
  return {
    text: 'SELECT * FROM ' + table + where + ' ORDER BY ' + names + ' LIMIT ' + String(ROWS_IN_PAGE),
    ...(after === null ? {} : { values: after }),
  }
}

type Value = string | number | Uint8Array
type Shape = { readonly key: readonly string[]; readonly columns: readonly string[] }

const SHAPES: Readonly<Record<MovedTable, Shape>> = {
  custodians: {
    key: ['kek_id', 'share'],
    columns: ['kek_id', 'share', 'threshold', 'digest', 'created_at_ms'],
  },
  keys: {
    key: ['key_id'],
    columns: [
      ...['key_id', 'merchant', 'purpose', 'state', 'fingerprint_key_id', 'kek_id', 'wrapped'],
      ...['created_at_ms', 'retired_at_ms', 'shredded_at_ms'],
    ],
  },
  cards: {
    key: ['token'],
    columns: [
      ...['token', 'merchant', 'fingerprint', 'key_id', 'sealed', 'last_four', 'brand'],
      ...['reuse', 'state', 'claim', 'ends_at_ms', 'created_at_ms', 'updated_at_ms'],
    ],
  },
  requests: {
    key: ['merchant', 'operation', 'idempotency_key'],
    columns: [
      ...['merchant', 'operation', 'idempotency_key', 'digest', 'token', 'outcome', 'outcome_code'],
      'created_at_ms',
    ],
  },
  orders: {
    key: ['order_id'],
    columns: [
      ...['order_id', 'client', 'merchant', 'operation', 'digest', 'state', 'answer', 'detail'],
      ...['created_at_ms', 'ends_at_ms'],
    ],
  },
  audit_shipped: { key: ['sink'], columns: ['sink', 'sequence'] },
  audit_archives: { key: ['last_sequence'], columns: ['last_sequence', 'hash', 'name', 'archived_at_ms'] },
  audit: {
    key: ['sequence'],
    columns: [
      ...['sequence', 'at', 'role', 'action', 'outcome', 'origin', 'merchant', 'resource', 'window_id'],
      'hash',
    ],
  },
}

const BYTES: readonly string[] = ['wrapped', 'fingerprint', 'sealed', 'digest', 'hash']
const INTEGERS: readonly string[] = [
  ...['created_at_ms', 'updated_at_ms', 'retired_at_ms', 'shredded_at_ms', 'ends_at_ms'],
  ...['sequence', 'share', 'threshold', 'last_sequence', 'archived_at_ms'],
]

function typeOf(column: string): 'bytea' | 'bigint' | 'text' {
  return BYTES.includes(column) ? 'bytea' : INTEGERS.includes(column) ? 'bigint' : 'text'
}

function valueOf(row: Row, column: string): Value {
  if (BYTES.includes(column)) return bytesOf(row, column)
  if (INTEGERS.includes(column)) return integerOf(row, column)
  const value = row[column]
  return typeof value === 'string' ? value : ''
}

function sameRow(table: MovedTable, one: Row, other: Row): boolean {
  return SHAPES[table].columns.every((column) => {
    const [mine, theirs] = [valueOf(one, column), valueOf(other, column)]
    if (mine instanceof Uint8Array && theirs instanceof Uint8Array) return sameBytes(mine, theirs)
    return mine === theirs
  })
}

function headOf(source: DatabaseSync): AuditHead {
  const row = source.prepare('SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1').get()
  return optional(row, auditHead) ?? AUDIT_GENESIS
}

function* sourceRecords(source: DatabaseSync): Generator<AuditRecord> {
  const first = trustedStart(source).from.sequence
  for (const row of source.prepare('SELECT * FROM audit WHERE sequence > ? ORDER BY sequence').iterate(first)) {
    yield auditRecord(row)
  }
}

/** Where older records were archived, the first that is left is taken as it is. */
function trustedStart(source: DatabaseSync): { readonly from: AuditHead } {
  const row = source.prepare('SELECT sequence, hash FROM audit ORDER BY sequence LIMIT 1').get()
  const first = optional(row, auditHead)
  return { from: first === null || first.sequence === 1 ? AUDIT_GENESIS : first }
}

function refused(code: Extract<MoveOutcome, { readonly kind: 'refused' }>['code']): MoveOutcome {
  return { kind: 'refused', code }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
