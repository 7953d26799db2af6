import type { AuditRecord } from './audit-chain.ts'
import type { FingerprintPlace, KeySlot, NewCard, PastTime, RequestName, RequestRow, TokenPlace } from './ledger.ts'
import type { Statement } from './postgres-connection.ts'
import type { CardRow, CustodianRow, KeyRow, OrderRow } from './store.ts'

/** Beside each card, whether its key still is. */
export const CARDS = 'SELECT c.*, k.shredded_at_ms FROM cards c JOIN keys k ON k.key_id = c.key_id '

/** SHA-256. A card that is gone has zeros instead. */
const FINGERPRINT_BYTES = 32

/** What the ledger asks of PostgreSQL: each for many rows at once, one array a column. */
export function keysActive(slots: readonly KeySlot[]): Statement {
  return {
    name: 'keys_active',
    text:
      'SELECT k.* FROM keys k JOIN unnest($1::text[], $2::text[]) n (merchant, purpose) USING (merchant, purpose)' +
      " WHERE k.state = 'active'",
    values: [slots.map(({ merchant }) => merchant), slots.map(({ purpose }) => purpose)],
  }
}

export function cardsByFingerprint(places: readonly FingerprintPlace[]): Statement {
  return {
    name: 'cards_by_fingerprint',
    text:
      CARDS +
      'JOIN unnest($1::text[], $2::bytea[]) n (merchant, fingerprint)' +
      ' ON c.merchant = n.merchant AND c.fingerprint = n.fingerprint' +
      " WHERE c.reuse = 'reusable' AND c.state = 'live'",
    values: [places.map(({ merchant }) => merchant), places.map(({ fingerprint }) => fingerprint)],
  }
}

export function cardsByToken(places: readonly TokenPlace[]): Statement {
  return {
    name: 'cards_by_token',
    text:
      CARDS +
      'JOIN unnest($1::text[], $2::text[]) n (merchant, token) ON c.merchant = n.merchant AND c.token = n.token',
    values: [places.map(({ merchant }) => merchant), places.map(({ token }) => token)],
  }
}

/** The cards that requests are about. */
export function cardsOfRequests(names: readonly RequestName[]): Statement {
  return {
    name: 'cards_of_requests',
    text:
      CARDS +
      'JOIN requests r ON r.token = c.token' +
      ' JOIN unnest($1::text[], $2::text[], $3::text[]) n (merchant, operation, idempotency_key)' +
      ' ON r.merchant = n.merchant AND r.operation = n.operation AND r.idempotency_key = n.idempotency_key',
    values: namesOf(names),
  }
}

export function cardsPastTime({ nowMs, limit }: PastTime): Statement {
  return {
    name: 'cards_past_time',
    text: CARDS + 'WHERE c.ends_at_ms > 0 AND c.ends_at_ms <= $1 ORDER BY c.ends_at_ms LIMIT $2',
    values: [nowMs, limit],
  }
}

export function tokensTaken(tokens: readonly string[]): Statement {
  return {
    name: 'tokens_taken',
    text: 'SELECT token AS taken FROM cards WHERE token = ANY ($1::text[])',
    values: [tokens],
  }
}

export function ordersById(ids: readonly string[]): Statement {
  return { name: 'orders_by_id', text: 'SELECT * FROM orders WHERE order_id = ANY ($1::text[])', values: [ids] }
}

export function requestsByName(names: readonly RequestName[]): Statement {
  return {
    name: 'requests_by_name',
    text:
      'SELECT r.* FROM requests r JOIN unnest($1::text[], $2::text[], $3::text[]) n (merchant, operation, idempotency_key)' +
      ' USING (merchant, operation, idempotency_key)',
    values: namesOf(names),
  }
}

export function retireKeys(slots: readonly KeySlot[], atMs: number): Statement {
  return {
    name: 'retire_keys',
    text:
      "UPDATE keys k SET state = 'retired', retired_at_ms = $3 FROM unnest($1::text[], $2::text[]) n (merchant, purpose)" +
      " WHERE k.merchant = n.merchant AND k.purpose = n.purpose AND k.state = 'active'",
    values: [slots.map(({ merchant }) => merchant), slots.map(({ purpose }) => purpose), atMs],
  }
}

export function shredKeys(rows: readonly KeyRow[], atMs: number): Statement {
  return {
    name: 'shred_keys',
    text:
      "UPDATE keys SET state = 'retired', wrapped = '', shredded_at_ms = $2," +
      ' retired_at_ms = CASE retired_at_ms WHEN 0 THEN $2 ELSE retired_at_ms END' +
      ' WHERE key_id = ANY ($1::text[]) AND shredded_at_ms = 0',
    values: [rows.map(({ keyId }) => keyId), atMs],
  }
}

export function rewrapKeys(rows: readonly KeyRow[]): Statement {
  return {
    name: 'rewrap_keys',
    text:
      'UPDATE keys k SET kek_id = n.kek_id, wrapped = n.wrapped' +
      ' FROM unnest($1::text[], $2::text[], $3::bytea[]) n (key_id, kek_id, wrapped)' +
      ' WHERE k.key_id = n.key_id AND k.shredded_at_ms = 0',
    values: [rows.map(({ keyId }) => keyId), rows.map(({ kekId }) => kekId), rows.map(({ wrapped }) => wrapped)],
  }
}

export function addCustodians(rows: readonly CustodianRow[]): Statement {
  return {
    name: 'add_custodians',
    text:
      'INSERT INTO custodians (kek_id, share, threshold, digest, created_at_ms)' +
      ' SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[])',
    values: [
      rows.map(({ kekId }) => kekId),
      rows.map(({ share }) => share),
      rows.map(({ threshold }) => threshold),
      rows.map(({ digest }) => digest),
      rows.map(({ createdAtMs }) => createdAtMs),
    ],
  }
}

export function addKeys(rows: readonly KeyRow[]): Statement {
  return {
    name: 'add_keys',
    text:
      'INSERT INTO keys (key_id, merchant, purpose, state, fingerprint_key_id, kek_id, wrapped, created_at_ms)' +
      " SELECT n.key_id, n.merchant, n.purpose, 'active', n.fingerprint_key_id, n.kek_id, n.wrapped, n.created_at_ms" +
      ' FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[])' +
      ' n (key_id, merchant, purpose, fingerprint_key_id, kek_id, wrapped, created_at_ms)',
    values: [
      rows.map(({ keyId }) => keyId),
      rows.map(({ merchant }) => merchant),
      rows.map(({ purpose }) => purpose),
      rows.map(({ fingerprintKeyId }) => fingerprintKeyId),
      rows.map(({ kekId }) => kekId),
      rows.map(({ wrapped }) => wrapped),
      rows.map(({ createdAtMs }) => createdAtMs),
    ],
  }
}

export function addCards(rows: readonly NewCard[]): Statement {
  return {
    name: 'add_cards',
    text:
      'INSERT INTO cards (token, merchant, fingerprint, key_id, sealed, last_four, brand,' +
      ' reuse, state, claim, ends_at_ms, created_at_ms, updated_at_ms)' +
      ' SELECT n.*, n.at_ms' +
      ' FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[],' +
      ' $9::text[], $10::text[], $11::bigint[], $12::bigint[])' +
      ' n (token, merchant, fingerprint, key_id, sealed, last_four, brand, reuse, state, claim, ends_at_ms, at_ms)',
    values: [
      rows.map(({ token }) => token),
      rows.map(({ merchant }) => merchant),
      rows.map(({ fingerprint }) => fingerprint),
      rows.map(({ keyId }) => keyId),
      rows.map(({ sealed }) => sealed),
      rows.map(({ lastFour }) => lastFour),
      rows.map(({ brand }) => brand),
      rows.map(({ reuse }) => reuse),
      rows.map(({ state }) => state),
      rows.map(({ claim }) => claim),
      rows.map(({ endsAtMs }) => endsAtMs),
      rows.map(({ atMs }) => atMs),
    ],
  }
}

/** A card as it is to be. */
export type ReplacedCard = CardRow & {
  readonly atMs: number
  /** Null: the one that it has. */
  readonly fingerprint: Uint8Array | null
}

export function replaceCards(rows: readonly ReplacedCard[]): Statement {
  return {
    name: 'replace_cards',
    text:
      'UPDATE cards c SET key_id = n.key_id, sealed = n.sealed, state = n.state, claim = n.claim, ends_at_ms = n.ends_at_ms,' +
      " updated_at_ms = n.at_ms, fingerprint = CASE n.state WHEN 'gone' THEN $9::bytea" +
      ' ELSE coalesce(n.fingerprint, c.fingerprint) END' +
      ' FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bytea[])' +
      ' n (token, key_id, sealed, state, claim, ends_at_ms, at_ms, fingerprint)' +
      ' WHERE c.token = n.token',
    values: [
      rows.map(({ token }) => token),
      rows.map(({ keyId }) => keyId),
      rows.map(({ sealed }) => sealed),
      rows.map(({ state }) => state),
      rows.map(({ claim }) => claim),
      rows.map(({ endsAtMs }) => endsAtMs),
      rows.map(({ atMs }) => atMs),
      rows.map(({ fingerprint }) => fingerprint),
      Buffer.alloc(FINGERPRINT_BYTES),
    ],
  }
}

export function addRequests(rows: readonly RequestRow[]): Statement {
  return {
    name: 'add_requests',
    text:
      'INSERT INTO requests (merchant, operation, idempotency_key, digest, token, outcome, outcome_code, created_at_ms)' +
      ' SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::bigint[])',
    values: [
      ...namesOf(rows),
      rows.map(({ digest }) => digest),
      rows.map(({ token }) => token),
      rows.map(({ outcome }) => outcome),
      rows.map(({ outcomeCode }) => outcomeCode),
      rows.map(({ createdAtMs }) => createdAtMs),
    ],
  }
}

export function finishRequests(rows: readonly RequestRow[]): Statement {
  return {
    name: 'finish_requests',
    text:
      'UPDATE requests r SET outcome = n.outcome, outcome_code = n.outcome_code' +
      ' FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])' +
      ' n (merchant, operation, idempotency_key, outcome, outcome_code)' +
      ' WHERE r.merchant = n.merchant AND r.operation = n.operation AND r.idempotency_key = n.idempotency_key',
    values: [...namesOf(rows), rows.map(({ outcome }) => outcome), rows.map(({ outcomeCode }) => outcomeCode)],
  }
}

export function putOrders(rows: readonly OrderRow[]): Statement {
  return {
    name: 'put_orders',
    text:
      'INSERT INTO orders (order_id, client, merchant, operation, digest, state, answer, detail, created_at_ms, ends_at_ms)' +
      ' SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[],' +
      ' $9::bigint[], $10::bigint[]) ON CONFLICT (order_id) DO UPDATE SET' +
      ' state = excluded.state, answer = excluded.answer, detail = excluded.detail, ends_at_ms = excluded.ends_at_ms',
    values: [
      rows.map(({ orderId }) => orderId),
      rows.map(({ client }) => client),
      rows.map(({ merchant }) => merchant),
      rows.map(({ operation }) => operation),
      rows.map(({ digest }) => digest),
      rows.map(({ state }) => state),
      rows.map(({ answer }) => answer),
      rows.map(({ detail }) => detail),
      rows.map(({ createdAtMs }) => createdAtMs),
      rows.map(({ endsAtMs }) => endsAtMs),
    ],
  }
}

export function addAuditRecords(records: readonly AuditRecord[]): Statement {
  return {
    name: 'add_audit',
    text:
      'INSERT INTO audit (sequence, at, role, action, outcome, origin, merchant, resource, window_id, hash)' +
      ' SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],' +
      ' $9::text[], $10::bytea[])',
    values: [
      records.map(({ sequence }) => sequence),
      records.map(({ at }) => at),
      records.map(({ role }) => role),
      records.map(({ action }) => action),
      records.map(({ outcome }) => outcome),
      records.map(({ origin }) => origin),
      records.map(({ merchant }) => merchant),
      records.map(({ resource }) => resource),
      records.map(({ windowId }) => windowId),
      records.map(({ hash }) => hash),
    ],
  }
}

function namesOf(names: readonly RequestName[]): readonly unknown[] {
  return [
    names.map(({ merchant }) => merchant),
    names.map(({ operation }) => operation),
    names.map(({ idempotencyKey }) => idempotencyKey),
  ]
}
