import { verifyAudit, type AuditHead, type AuditRecord, type AuditVerdict } from './audit-chain.ts'
import type { Store } from './store.ts'

/** Read from the store at once. */
const RECORDS_IN_READ = 500
/** Checked at the start of the vault; the whole chain is checked by whoever audits. */
const TAIL_RECORDS = 1_000

/** Every audit record, in order, from behind a head. */
export async function* auditRecords(store: Pick<Store, 'auditAfter'>, afterSequence = 0): AsyncGenerator<AuditRecord> {
  let sequence = afterSequence
  for (;;) {
    const records = await store.auditAfter(sequence, RECORDS_IN_READ)
    yield* records
    const last = records.at(-1)
    if (last === undefined) return
    sequence = last.sequence
  }
}

/** Verifies the newest records only, from the first of them on, which is taken as it is. */
export async function auditTail(store: Store): Promise<AuditVerdict> {
  const head = await store.auditHead()
  const [[oldest], archived] = await Promise.all([store.auditAfter(0, 1), store.archivedTo()])
  // Behind an archive, the oldest that is left is none that was not archived.
  const isArchived = oldest !== undefined && oldest.sequence > 1 && oldest.sequence <= archived.sequence
  const firstSequence = Math.max(head.sequence - TAIL_RECORDS, isArchived ? oldest.sequence : 0)
  if (firstSequence <= 0) return verifyAudit(auditRecords(store))
  const [first] = await store.auditAfter(firstSequence - 1, 1)
  if (first?.sequence !== firstSequence) return { kind: 'broken', sequence: firstSequence, code: 'missing' }
  const from: AuditHead = first
  return verifyAudit(auditRecords(store, firstSequence), { from })
}
