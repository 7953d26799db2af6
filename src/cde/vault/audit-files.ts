import { open, mkdir, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AUDIT_GENESIS, type AuditHead, type AuditRecord } from './audit-chain.ts'
import { beginLine, endLine, headOfLine, recordLine } from './audit-lines.ts'
import type { AuditSink } from './audit-shipper.ts'

const OWNER_ONLY = 0o600
const OWNER_ONLY_FOLDER = 0o700
const NAME = /^audit-\d{4}-\d{2}-\d{2}\.jsonl$/
/** Longer than the longest line of ours. */
const TAIL_BYTES = 65_536

/** A file does not end as one of ours: somebody else wrote there. */
export class AuditFilesFailure extends Error {
  override readonly name = 'AuditFilesFailure'
  readonly code = 'AUDIT_FILE_FOREIGN'

  constructor() {
    super('a file of the audit record cannot be continued')
  }
}

type OpenFile = { readonly name: string; readonly handle: FileHandle; length: number }

/**
 * The audit record as files, one a day (UTC) by the first record's time, each in the form of src/audit-verify.mjs and ended when the next
 * begins. One fdatasync for all records that come together. A file that a crash or a full disk cut within a line is put right.
 */
export class AuditFiles implements AuditSink {
  readonly name = 'files'
  readonly #folder: string
  #file: OpenFile | null = null
  #head: AuditHead | null = null

  constructor(options: { readonly folder: string }) {
    this.#folder = options.folder
  }

  async begin(): Promise<number> {
    await mkdir(this.#folder, { recursive: true, mode: OWNER_ONLY_FOLDER })
    await this.close()
    const newest = (await readdir(this.#folder))
      .filter((name) => NAME.test(name))
      .toSorted()
      .at(-1)
    if (newest === undefined) {
      this.#head = null
      return 0
    }
    const file = await this.#open(newest)
    try {
      const head = await lastHead(file)
      if (head === null && file.length > 0) throw new AuditFilesFailure()
      this.#head = head
      this.#file = file
      return head?.sequence ?? 0
    } catch (error) {
      await file.handle.close()
      throw error
    }
  }

  async write(records: readonly AuditRecord[]): Promise<void> {
    for (const group of byDay(records)) await this.#write(group.day, group.records)
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.handle.close()
  }

  async #write(day: string, records: readonly AuditRecord[]): Promise<void> {
    const [first] = records
    const last = records.at(-1)
    if (first === undefined || last === undefined) return
    if (this.#head === null && first.sequence > 1) {
      // Older ones are in an archive that ends with this one.
      this.#head = first
      return this.#write(day, records.slice(1))
    }
    const name = 'audit-' + day + '.jsonl'
    let file = this.#file
    // A clock that was set back does not reopen a day.
    if (file === null || name > file.name) {
      const head = this.#head ?? AUDIT_GENESIS
      if (file !== null && file.length > 0) await append(file, [endLine(head)])
      await file?.handle.close()
      this.#file = null
      file = this.#file = await this.#open(name)
      if (file.length === 0) await append(file, [beginLine(head)])
    } else if (file.length === 0) await append(file, [beginLine(this.#head ?? AUDIT_GENESIS)])
    await append(file, records.map(recordLine))
    this.#head = last
  }

  async #open(name: string): Promise<OpenFile> {
    const handle = await open(join(this.#folder, name), 'a+', OWNER_ONLY)
    return { name, handle, length: (await handle.stat()).size }
  }
}

/** The last record of a file that was ended, or null for one that was not. */
export async function headAtEnd(path: string): Promise<AuditHead | null> {
  const handle = await open(path, 'r')
  try {
    const length = Math.min((await handle.stat()).size, TAIL_BYTES)
    const tail = Buffer.alloc(length)
    await handle.read(tail, 0, length, (await handle.stat()).size - length)
    const head = headOfLine(tail.toString('utf8').split('\n').at(-2) ?? '')
    return head?.isEnd === true ? head : null
  } finally {
    await handle.close()
  }
}

async function append(file: OpenFile, lines: readonly string[]): Promise<void> {
  const bytes = Buffer.from(lines.map((line) => line + '\n').join(''), 'utf8')
  await file.handle.appendFile(bytes)
  await file.handle.datasync()
  file.length += bytes.length
}

/** The head that the last whole line names; half a line behind it is cut off. Null for an empty file. */
async function lastHead(file: OpenFile): Promise<AuditHead | null> {
  const length = Math.min(file.length, TAIL_BYTES)
  const tail = Buffer.alloc(length)
  await file.handle.read(tail, 0, length, file.length - length)
  const end = tail.lastIndexOf(10) + 1
  if (end < length) {
    file.length -= length - end
    await file.handle.truncate(file.length)
  }
  const lines = tail.subarray(0, end).toString('utf8').split('\n')
  return headOfLine(lines.at(-2) ?? '')
}

function byDay(records: readonly AuditRecord[]): { readonly day: string; readonly records: AuditRecord[] }[] {
  const groups: { readonly day: string; readonly records: AuditRecord[] }[] = []
  for (const record of records) {
    const day = record.at.slice(0, 'YYYY-MM-DD'.length)
    const last = groups.at(-1)
    if (last?.day === day) last.records.push(record)
    else groups.push({ day, records: [record] })
  }
  return groups
}
