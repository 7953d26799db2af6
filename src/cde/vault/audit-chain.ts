import { createHash } from 'node:crypto'
import type { Role } from '../../kit/identity.ts'
import type { OrderRefusal } from '../vault-operator-protocol.ts'
import type { RefusalCode, ReportCause } from '../vault-protocol.ts'
import type { ClientRole } from '../../wire/vault-api-configuration.ts'
import type { ProblemCode } from './api/problem.ts'
import { lengthPrefixed } from './seal.ts'

/** What is written down of one act (PCI DSS 10.2.2): who, what, outcome, origin, resource. Never a digit beyond the last four. */
export type AuditEntry = {
  /** Who asked; 'vault' for what it does by itself. 'none' when the peer proved no role. */
  readonly role: Role | ClientRole | 'none'
  readonly action: AuditAction
  readonly outcome:
    | 'done'
    | 'repeated'
    | 'approved'
    | 'declined'
    | RefusalCode
    | ReportCause
    | OrderRefusal
    | ProblemCode
    | 'clock_unknown'
  /** The name that the peer's certificate proved, or 'local'. */
  readonly origin: string
  readonly merchant: string
  /** A token or a key id; of a report, the guard's name and when it happened. Empty when there is none yet. */
  readonly resource: string
  readonly windowId: string
}

export const AUDIT_ACTIONS = [
  'vault_start',
  'vault_stop',
  'request',
  'tokenize',
  'open_card', // the number is opened to be sent to the acquirer
  'authorize',
  'token_end', // what was sealed of a card is taken away, at the end of its time or by order
  'detokenize', // the number is opened for a client
  'bulk_request', // of many, which another person must approve
  'bulk_approve',
  'bulk_collect', // once, by whoever requested it; each of its cards has a record of its own
  'bulk_read',
  'token_read', // last four and brand, not the number
  'key_create',
  'key_unwrap',
  'key_rotate',
  'key_rewrap', // kept under another key-encryption key
  'key_reencrypt', // cards were moved from one key to another
  'key_shred',
  'custodians_create',
  'custodian_share', // a custodian gave one, or tried to
  'vault_unseal',
  'key_list',
  'report', // one that was refused
  'masking_failed', // the guard's sentinel kept back what the masker let through
  'self_test_failed',
  'window_opened', // and masked: the guard masks from its first packet
  'window_closed', // unmasked, or ended masked: the outcome says which
  'login_failed',
  'administrator_act',
  'configuration_changed',
  'operator_read',
  'peer_refused', // somebody was turned away before a word was said, or for what followed
  'clock_checked', // where the times of the records behind it come from
  'checkpoint', // a signed head
  'archived', // older records are in a file from here on, and may leave the store
  'archive_removed', // a file of the archive whose time is over
  'exported', // the record was read out, by whom its origin says
] as const
export type AuditAction = (typeof AUDIT_ACTIONS)[number]

/** An entry in its place in the chain. The texts are as stored: verification trusts none of them. */
export type AuditRecord = {
  readonly sequence: number
  /** ISO 8601, UTC. */
  readonly at: string
  readonly role: string
  readonly action: string
  readonly outcome: string
  readonly origin: string
  readonly merchant: string
  readonly resource: string
  readonly windowId: string
  /** SHA-256 of this record and of the hash before it. */
  readonly hash: Uint8Array
}

export type AuditHead = { readonly sequence: number; readonly hash: Uint8Array }

/** What stands before the first record. */
export const AUDIT_GENESIS: AuditHead = { sequence: 0, hash: new Uint8Array(32) }

/** Puts an entry behind the head. */
export function chained(entry: AuditEntry, head: AuditHead, atMs: number): AuditRecord {
  const unhashed = { ...entry, sequence: head.sequence + 1, at: new Date(atMs).toISOString() }
  return { ...unhashed, hash: hashOf(unhashed, head.hash) }
}

export type AuditVerdict =
  | { readonly kind: 'intact'; readonly head: AuditHead }
  | { readonly kind: 'broken'; readonly sequence: number; readonly code: 'missing' | 'changed' | 'cut' }

/**
 * Follows the chain from a head that is trusted, the genesis unless told. 'missing': the numbers do not follow each other (a record
 * was taken out, or two changed places); 'changed': a record is not the one that was hashed; 'cut': the chain ends before
 * `headExpected`, a head that was kept elsewhere. Without that, records missing at the very end cannot be noticed.
 */
export async function verifyAudit(
  records: AsyncIterable<AuditRecord> | Iterable<AuditRecord>,
  options: { readonly from?: AuditHead; readonly headExpected?: AuditHead } = {},
): Promise<AuditVerdict> {
  let head = options.from ?? AUDIT_GENESIS
  const { headExpected } = options
  for await (const record of records) {
    const sequence = head.sequence + 1
    if (record.sequence !== sequence) return { kind: 'broken', sequence, code: 'missing' }
    if (!sameBytes(hashOf(record, head.hash), record.hash)) return { kind: 'broken', sequence, code: 'changed' }
    if (headExpected?.sequence === sequence && !sameBytes(headExpected.hash, record.hash)) {
      return { kind: 'broken', sequence, code: 'changed' }
    }
    head = { sequence, hash: record.hash }
  }
  if (headExpected !== undefined && head.sequence < headExpected.sequence) {
    return { kind: 'broken', sequence: head.sequence + 1, code: 'cut' }
  }
  return { kind: 'intact', head }
}

function hashOf(record: Omit<AuditRecord, 'hash'>, before: Uint8Array): Buffer {
  const { sequence, at, role, action, outcome, origin, merchant, resource, windowId } = record
  const texts = ['tonewall-audit-1', String(sequence), at, role, action, outcome, origin, merchant, resource, windowId]
  return createHash('sha256').update(before).update(lengthPrefixed(texts)).digest()
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}
