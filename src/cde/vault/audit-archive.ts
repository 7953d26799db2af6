import { mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errorFields, type Logger } from '../../kit/log.ts'
import { verifyAudit, type AuditEntry, type AuditHead, type AuditRecord } from './audit-chain.ts'
import { sealBytes, type CheckpointSigner } from './audit-checkpoint.ts'
import { headAtEnd } from './audit-files.ts'
import { beginLine, recordLine, sealedEndLine } from './audit-lines.ts'
import { auditRecords } from './audit-tail.ts'
import type { Store } from './store.ts'

/** A month is over once a month; this is for vaults that never run for long. */
const LOOK_EVERY_MS = 600_000
/** Deleted in one step: others wait for it. */
const ROWS_PRUNED = 500
const LINES_AT_ONCE = 500
const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const SEQUENCE_DIGITS = 16
/** By the first record, so that names are in the order of the chain also when a clock was set back. */
const SEGMENT = /^audit-\d{16}-(\d{4}-\d{2})\.jsonl$/
const DAY = /^audit-(\d{4}-\d{2})-\d{2}\.jsonl$/

export type AuditArchiveOptions = {
  readonly store: Pick<Store, 'auditAfter' | 'append' | 'leads' | 'keepArchive' | 'archivedTo' | 'pruneAudit'>
  readonly signer: CheckpointSigner
  /** Of the daily files; the archive is a folder in it. */
  readonly folder: string
  /** Whole months before this one that stay in the store; three at least (PCI DSS 10.5.1). */
  readonly onlineMonths: number
  /** Whole months before this one that stay in files; twelve at least. */
  readonly keptMonths: number
  /** The last record that every sink has. */
  readonly shipped: () => number
  readonly nowMs: () => number
  readonly logger: Logger
  readonly lookEveryMs?: number
}

/**
 * Moves months that are over out of the store: into a file a month, in the one form of src/audit-verify.mjs, with its end sealed. The chain goes on
 * across them, for the last archived record stays in the store. What is older than has to be kept is removed, and the record says so first.
 */
export class AuditArchive {
  readonly #options: AuditArchiveOptions
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void> = Promise.resolve()
  #closed = false

  constructor(options: AuditArchiveOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.look(), options.lookEveryMs ?? LOOK_EVERY_MS)
    this.#timer.unref()
  }

  /** Archives what is due, one look after the other. Never rejects. */
  look(): Promise<void> {
    return (this.#looking = this.#looking.then(() => this.#look()))
  }

  /** Waits for the month that is being written. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#looking
  }

  #isOpen(): boolean {
    return !this.#closed
  }

  async #look(): Promise<void> {
    const { store, logger } = this.#options
    try {
      if (!this.#isOpen() || !(await store.leads())) return
      // What an earlier look has archived, and had no time to delete.
      await this.#prune()
      while (this.#isOpen() && (await this.#archiveMonth())) await this.#prune()
      await this.#removeOld()
    } catch (error) {
      logger.error({ code: 'audit_not_archived', ...errorFields(error) }, 'the audit record could not be archived')
    }
  }

  /** False when no month is due. */
  async #archiveMonth(): Promise<boolean> {
    const { store, onlineMonths, nowMs, shipped, logger } = this.#options
    const from = await store.archivedTo()
    const [first] = await store.auditAfter(from.sequence, 1)
    const month = first === undefined ? null : monthOf(first)
    if (month === null || month >= monthBefore(nowMs(), onlineMonths)) return false
    const folder = join(this.#options.folder, 'archive')
    await mkdir(folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
    const name = ['audit', String(from.sequence + 1).padStart(SEQUENCE_DIGITS, '0'), month + '.jsonl'].join('-')
    const unfinished = join(folder, name + '.new')
    const last = await this.#write(unfinished, from, month)
    if (last === null || last.sequence > shipped()) {
      await rm(unfinished)
      if (last === null)
        logger.error({ code: 'audit_broken' }, 'a month of the audit record is not archived: it was changed')
      return false
    }
    await rename(unfinished, join(folder, name))
    await syncFolder(folder)
    await store.append(entry('archived', [String(from.sequence + 1), ...textsOf(last), name]))
    await store.keepArchive({ last, name, archivedAtMs: nowMs() })
    return true
  }

  /** The month in a file of its own, sealed and on the disk; null when its chain does not hold. */
  async #write(file: string, from: AuditHead, month: string): Promise<AuditHead | null> {
    const { store, signer, nowMs } = this.#options
    const handle = await open(file, 'w', OWNER_ONLY)
    try {
      await handle.write(beginLine(from) + '\n')
      const verdict = await verifyAudit(written(auditRecords(store, from.sequence), { month, handle }), { from })
      if (verdict.kind === 'broken') return null
      const { head } = verdict
      const at = new Date(nowMs()).toISOString()
      const signature = await signer.sign(sealBytes({ from, to: head, at, keyId: signer.keyId }))
      const seal = { keyId: signer.keyId, at, signature: Buffer.from(signature).toString('base64') }
      await handle.write(sealedEndLine(head, seal) + '\n')
      await handle.datasync()
      return head
    } finally {
      await handle.close()
    }
  }

  async #prune(): Promise<void> {
    while (this.#isOpen() && (await this.#options.store.pruneAudit(ROWS_PRUNED)) === ROWS_PRUNED);
  }

  /** Files of months that need not be kept any more. A daily file is one of them when all of it had been archived. */
  async #removeOld(): Promise<void> {
    const { folder, keptMonths, nowMs } = this.#options
    const before = monthBefore(nowMs(), keptMonths)
    const archived = await this.#options.store.archivedTo()
    for (const [place, pattern] of [
      [join(folder, 'archive'), SEGMENT],
      [folder, DAY],
    ] as const) {
      for (const name of (await namesIn(place)).filter((one) => (pattern.exec(one)?.[1] ?? before) < before)) {
        const last = await headAtEnd(join(place, name))
        if (last === null || last.sequence > archived.sequence) continue
        await this.#options.store.append(entry('archive_removed', [...textsOf(last), name]))
        await rm(join(place, name))
      }
    }
  }
}

/** The records of a month, or before it where a clock was set back, which are written on their way. */
async function* written(
  records: AsyncIterable<AuditRecord>,
  options: { readonly month: string; readonly handle: FileHandle },
): AsyncGenerator<AuditRecord> {
  let lines: string[] = []
  for await (const record of records) {
    if (monthOf(record) > options.month) break
    lines.push(recordLine(record) + '\n')
    if (lines.length === LINES_AT_ONCE) {
      await options.handle.write(lines.join(''))
      lines = []
    }
    yield record
  }
  if (lines.length > 0) await options.handle.write(lines.join(''))
}

function entry(action: 'archived' | 'archive_removed', texts: readonly string[]): AuditEntry {
  return {
    role: 'vault',
    action,
    outcome: 'done',
    origin: 'local',
    merchant: '',
    resource: texts.join(' '),
    windowId: '',
  }
}

function textsOf({ sequence, hash }: AuditHead): readonly [string, string] {
  return [String(sequence), Buffer.from(hash).toString('hex')]
}

function monthOf({ at }: AuditRecord): string {
  return at.slice(0, 'YYYY-MM'.length)
}

function monthBefore(nowMs: number, months: number): string {
  const now = new Date(nowMs)
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months)).toISOString().slice(0, 'YYYY-MM'.length)
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted()
  } catch {
    return []
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
