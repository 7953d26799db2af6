import type { AuditHead, AuditRecord } from './audit-chain.ts'

/**
 * The audit record as lines of a file, in the one form that src/audit-verify.mjs takes: a line that says which head the file
 * follows, a line for each record, and at the end the last head again.
 */
export const AUDIT_FILE_FORMAT = 'tonewall-audit-1'

export function beginLine(from: AuditHead): string {
  return JSON.stringify({ file: AUDIT_FILE_FORMAT, from: textHead(from) })
}

export function recordLine(record: AuditRecord): string {
  const { sequence, at, role, action, outcome, origin, merchant, resource, windowId } = record
  const hash = Buffer.from(record.hash).toString('hex')
  return JSON.stringify({ sequence, at, role, action, outcome, origin, merchant, resource, windowId, hash })
}

export function endLine(head: AuditHead): string {
  return JSON.stringify({ end: textHead(head) })
}

export type AuditSeal = { readonly keyId: string; readonly at: string; readonly signature: string }

/** The end of a file that nothing is added to any more, signed: it holds all from the head that it follows to this one. */
export function sealedEndLine(head: AuditHead, seal: AuditSeal): string {
  return JSON.stringify({ end: textHead(head), seal })
}

/** A record or an end that this file wrote, or null. */
export function headOfLine(line: string): (AuditHead & { readonly isEnd: boolean }) | null {
  try {
    const value = JSON.parse(line) as Readonly<Record<string, unknown>> | null
    const isEnd = value?.['end'] !== undefined
    const from = (isEnd ? value['end'] : (value?.['from'] ?? value)) as Readonly<Record<string, unknown>> | null
    const sequence = from?.['sequence']
    const hash = from?.['hash']
    if (typeof sequence !== 'number' || typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return null
    return { sequence, hash: Buffer.from(hash, 'hex'), isEnd }
  } catch {
    return null
  }
}

function textHead({ sequence, hash }: AuditHead): { readonly sequence: number; readonly hash: string } {
  return { sequence, hash: Buffer.from(hash).toString('hex') }
}
