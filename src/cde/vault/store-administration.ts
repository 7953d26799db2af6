import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { failureOf } from './group-commit.ts'
import { MIGRATIONS, type Migration } from './migrations.ts'
import { PostgresConnection, type PostgresOptions } from './postgres-connection.ts'
import { grantToVault, migratePostgres } from './postgres-migrations.ts'
import { migrate } from './sqlite-migrations.ts'
import { moveStore, type MoveOutcome } from './store-move.ts'
import { openPostgresStore } from './store-postgres.ts'
import { StoreFailure } from './store.ts'

/** A vault that writes to the file meanwhile is waited for this long. */
const BUSY_MS_MAX = 2_000

/**
 * Brings a database up to this release as `owner`, and lets the vault's role do its work on it. Returns what was applied. Rejects with
 * StoreFailure.
 */
export async function prepareDatabase(options: {
  readonly owner: PostgresOptions
  /** The role that the vault itself connects as. */
  readonly role: string
  readonly nowMs: () => number
}): Promise<readonly Migration[] | 'too_new'> {
  const { owner, role, nowMs } = options
  const connection = new PostgresConnection(owner)
  try {
    const session = await connection.session()
    const applied = await migratePostgres(session, { migrations: MIGRATIONS, nowMs })
    if (applied !== 'too_new' && role !== owner.user) await grantToVault(session, role)
    return applied
  } finally {
    await connection.close()
  }
}

/** Moves the file of a vault that is stopped into the database, and writes down there that it was done. Rejects with StoreFailure. */
export async function moveIntoDatabase(options: {
  readonly file: string
  readonly target: PostgresOptions
  readonly nowMs: () => number
}): Promise<MoveOutcome> {
  const { file, target, nowMs } = options
  if (!existsSync(file)) throw new StoreFailure('NO_FILE')
  const store = await openPostgresStore({ ...target, nowMs })
  const connection = new PostgresConnection(target)
  try {
    const outcome = await moveFile(file, connection, nowMs)
    if (outcome.kind === 'moved') {
      const act = { role: 'operator', action: 'administrator_act', outcome: 'done', origin: 'local' } as const
      await store.append({ ...act, merchant: '', resource: 'store moved', windowId: '' })
    }
    return outcome
  } finally {
    await connection.close()
    await store.close()
  }
}

async function moveFile(file: string, connection: PostgresConnection, nowMs: () => number): Promise<MoveOutcome> {
  const session = await connection.session()
  let source: DatabaseSync | null = null
  try {
    source = new DatabaseSync(file, { timeout: BUSY_MS_MAX })
    if (migrate(source, { migrations: MIGRATIONS, nowMs }) === 'too_new') throw new StoreFailure('TOO_NEW')
    return await moveStore(source, session)
  } catch (error) {
    throw failureOf(error)
  } finally {
    source?.close()
  }
}
