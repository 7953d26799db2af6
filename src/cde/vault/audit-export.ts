import { AUDIT_GENESIS, type AuditHead } from './audit-chain.ts'
import { beginLine, endLine, recordLine } from './audit-lines.ts'
import { auditRecords } from './audit-tail.ts'
import type { Store } from './store.ts'

/** Lines handed over at once. */
const LINES_IN_PIECE = 500

/**
 * The chain behind a record, up to `to` or to its end, as a file's text in pieces. It is not verified here: that is for whoever does
 * not trust this process. Returns null when the record to begin behind is not there.
 */
export async function exportAudit(
  store: Store,
  options: { readonly after?: number; readonly to?: number } = {},
): Promise<AsyncGenerator<string> | null> {
  const from = await headAt(store, options.after ?? (await firstHead(store)).sequence)
  return from === null ? null : pieces(store, from, options.to ?? Infinity)
}

/** What the oldest record that is still here follows: the genesis, or where the archive ends. */
async function firstHead(store: Store): Promise<Pick<AuditHead, 'sequence'>> {
  const [first] = await store.auditAfter(0, 1)
  if (first === undefined || first.sequence === 1) return AUDIT_GENESIS
  return first
}

async function headAt(store: Store, sequence: number): Promise<AuditHead | null> {
  if (sequence === 0) return AUDIT_GENESIS
  const [record] = await store.auditAfter(sequence - 1, 1)
  return record?.sequence === sequence ? record : null
}

async function* pieces(store: Store, from: AuditHead, to: number): AsyncGenerator<string> {
  let head = from
  let lines = [beginLine(from)]
  for await (const record of auditRecords(store, from.sequence)) {
    if (record.sequence > to) break
    lines.push(recordLine(record))
    head = record
    if (lines.length < LINES_IN_PIECE) continue
    yield text(lines)
    lines = []
  }
  lines.push(endLine(head))
  yield text(lines)
}

function text(lines: readonly string[]): string {
  return lines.map((line) => line + '\n').join('')
}
