import { isBrand } from '../vault-protocol.ts'
import type { AuditHead, AuditRecord } from './audit-chain.ts'
import type { RequestRow } from './ledger.ts'
import { StoreFailure, type CardRow, type CustodianRow, type KeyRecord, type KeyRow, type OrderRow } from './store.ts'

/** A row as a database gives it: the columns of migrations.ts. Readers throw StoreFailure when one is of another kind. */
export type Row = Readonly<Record<string, unknown>>

export function optional<Result>(row: Row | undefined, take: (row: Row) => Result): Result | null {
  return row === undefined ? null : take(row)
}

export function keyRow(row: Row): KeyRow {
  return {
    keyId: textOf(row, 'key_id'),
    merchant: textOf(row, 'merchant'),
    purpose: textOf(row, 'purpose') === 'card' ? 'card' : 'fingerprint',
    fingerprintKeyId: textOf(row, 'fingerprint_key_id'),
    kekId: textOf(row, 'kek_id'),
    wrapped: bytesOf(row, 'wrapped'),
    createdAtMs: integerOf(row, 'created_at_ms'),
  }
}

export function keyRecord(row: Row): KeyRecord {
  const shreddedAtMs = integerOf(row, 'shredded_at_ms')
  const state = shreddedAtMs > 0 ? 'shredded' : textOf(row, 'state') === 'active' ? 'active' : 'retired'
  return { ...keyRow(row), state, retiredAtMs: integerOf(row, 'retired_at_ms'), shreddedAtMs }
}

export function custodianRow(row: Row): CustodianRow {
  return {
    kekId: textOf(row, 'kek_id'),
    share: integerOf(row, 'share'),
    threshold: integerOf(row, 'threshold'),
    digest: bytesOf(row, 'digest'),
    createdAtMs: integerOf(row, 'created_at_ms'),
  }
}

/** A card beside `shredded_at_ms` of its key. */
export function cardRow(row: Row): CardRow {
  const brand = textOf(row, 'brand')
  return {
    token: textOf(row, 'token'),
    lastFour: textOf(row, 'last_four'),
    brand: isBrand(brand) ? brand : 'unknown',
    merchant: textOf(row, 'merchant'),
    keyId: textOf(row, 'key_id'),
    sealed: bytesOf(row, 'sealed'),
    isShredded: integerOf(row, 'shredded_at_ms') > 0,
    reuse: textOf(row, 'reuse') === 'single' ? 'single' : 'reusable',
    // A state that is not understood opens nothing.
    state: CARD_STATES.find((name) => name === row['state']) ?? 'gone',
    claim: textOf(row, 'claim'),
    endsAtMs: integerOf(row, 'ends_at_ms'),
    createdAtMs: integerOf(row, 'created_at_ms'),
  }
}

const CARD_STATES = ['live', 'claimed', 'gone'] as const

export function orderRow(row: Row): OrderRow {
  const state = ORDER_STATES.find((name) => name === row['state'])
  if (state === undefined) throw new StoreFailure('COLUMN_TYPE')
  return {
    orderId: textOf(row, 'order_id'),
    client: textOf(row, 'client'),
    merchant: textOf(row, 'merchant'),
    operation: textOf(row, 'operation'),
    digest: bytesOf(row, 'digest'),
    state,
    answer: textOf(row, 'answer'),
    detail: textOf(row, 'detail'),
    createdAtMs: integerOf(row, 'created_at_ms'),
    endsAtMs: integerOf(row, 'ends_at_ms'),
  }
}

const ORDER_STATES = ['pending', 'done', 'requested', 'approved', 'collected'] as const

export function requestRow(row: Row): RequestRow {
  const outcome = OUTCOMES.find((name) => name === row['outcome'])
  if (outcome === undefined) throw new StoreFailure('COLUMN_TYPE')
  return {
    merchant: textOf(row, 'merchant'),
    operation: textOf(row, 'operation') === 'tokenize' ? 'tokenize' : 'authorize',
    idempotencyKey: textOf(row, 'idempotency_key'),
    digest: bytesOf(row, 'digest'),
    token: textOf(row, 'token'),
    outcome,
    outcomeCode: textOf(row, 'outcome_code'),
    createdAtMs: integerOf(row, 'created_at_ms'),
  }
}

const OUTCOMES = ['pending', 'done', 'approved', 'declined'] as const

export function auditRecord(row: Row): AuditRecord {
  return {
    ...auditHead(row),
    at: textOf(row, 'at'),
    role: textOf(row, 'role'),
    action: textOf(row, 'action'),
    outcome: textOf(row, 'outcome'),
    origin: textOf(row, 'origin'),
    merchant: textOf(row, 'merchant'),
    resource: textOf(row, 'resource'),
    windowId: textOf(row, 'window_id'),
  }
}

export const READABLE_KEYS =
  'SELECT * FROM keys WHERE merchant = $1 AND purpose = $2 AND shredded_at_ms = 0 ORDER BY state, created_at_ms DESC, key_id'

export const OLDEST_REQUEST = 'SELECT created_at_ms FROM requests ORDER BY created_at_ms LIMIT 1'

export const ARCHIVED_TO =
  'SELECT last_sequence AS sequence, hash FROM audit_archives ORDER BY last_sequence DESC LIMIT 1'

export function auditHead(row: Row): AuditHead {
  return { sequence: integerOf(row, 'sequence'), hash: bytesOf(row, 'hash') }
}

function textOf(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new StoreFailure('COLUMN_TYPE')
  return value
}

/** PostgreSQL's client gives integers of 64 bits as text; ours are counters and times, which a number holds exactly. */
export function integerOf(row: Row, column: string): number {
  const value = row[column]
  const number = typeof value === 'string' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw new StoreFailure('COLUMN_TYPE')
  return number
}

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column]
  if (!(value instanceof Uint8Array)) throw new StoreFailure('COLUMN_TYPE')
  return value
}
