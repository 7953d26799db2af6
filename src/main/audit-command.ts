import { createWriteStream, existsSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { AuditEntry } from '../cde/vault/audit-chain.ts'
import { exportAudit } from '../cde/vault/audit-export.ts'
import { openSigningKey } from '../cde/vault/audit-checkpoint.ts'
import { openPostgresStore } from '../cde/vault/store-postgres.ts'
import { openSqliteStore } from '../cde/vault/store-sqlite.ts'
import { createLogger, errorFields } from '../kit/log.ts'
import type { Configuration } from '../wire/configuration.ts'
import type { AuditCommand } from './audit-options.ts'
import { postgresOptions } from './vault-store.ts'

export type AuditOutput = {
  /** A line for people. */
  readonly say: (line: string) => void
  readonly stream: NodeJS.WritableStream
}

/** `tonewall audit export` and `tonewall audit key`, as the vault's own user. Resolves to the exit code. */
export async function runAuditCommand(
  command: Extract<AuditCommand, { readonly kind: 'audit-export' | 'audit-key' }>,
  configuration: Configuration,
  output: AuditOutput,
): Promise<number> {
  try {
    if (command.kind === 'audit-export') return await runExport(command, configuration, output)
    output.stream.write(publicKey(configuration))
    return 0
  } catch (error) {
    const { errorName, errorCode } = errorFields(error)
    output.say(`It did not work: ${String(errorCode ?? errorName)}. Does this user own the vault's folder?`)
    return 1
  }
}

async function runExport(
  command: Extract<AuditCommand, { readonly kind: 'audit-export' }>,
  configuration: Configuration,
  { say, stream }: AuditOutput,
): Promise<number> {
  const { folder, store: kind, postgresql } = configuration.vault
  const file = join(folder, 'vault.sqlite')
  const isDatabase = kind === 'postgresql' && postgresql !== null
  if (!isDatabase && !existsSync(file)) {
    say(`There is no vault in ${folder} yet.`)
    return 1
  }
  const store = isDatabase
    ? await openPostgresStore({ ...postgresOptions(postgresql), nowMs: Date.now })
    : openSqliteStore({ file, nowMs: Date.now })
  try {
    // What was read is on record, whatever becomes of it; that record itself is not part of it.
    const { sequence: to } = await store.auditHead()
    await store.append(readOut(command.after))
    const pieces = await exportAudit(store, { to, ...(command.after === null ? {} : { after: command.after }) })
    if (pieces === null) {
      say('There is no record of this number on line. Older ones are in the archive.')
      return 1
    }
    if (command.to === null) await pipeline(pieces, stream, { end: false })
    // Never over a file that is there: it may be the only copy of something.
    else await pipeline(pieces, createWriteStream(command.to, { flags: 'wx', mode: 0o600, flush: true }))
    return 0
  } finally {
    await store.close()
  }
}

function readOut(after: number | null): AuditEntry {
  const resource = after === null ? '' : `after ${after}`
  const by = { role: 'operator', action: 'exported', outcome: 'done', origin: 'local' } as const
  return { ...by, merchant: '', resource, windowId: '' }
}

function publicKey(configuration: Configuration): string {
  const logger = createLogger({ role: 'vault', level: 'silent' })
  const file = configuration.audit.signingKey ?? join(configuration.vault.folder, 'audit-signing-key')
  return openSigningKey({ file, mayMake: false, logger }).publicKey
}
