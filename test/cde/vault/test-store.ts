import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { PostgresOptions } from '../../../src/cde/vault/postgres-connection.ts'
import { openPostgresStore } from '../../../src/cde/vault/store-postgres.ts'
import { openSqliteStore } from '../../../src/cde/vault/store-sqlite.ts'
import type { Store } from '../../../src/cde/vault/store.ts'
import type { PostgresServer } from '../../fakes/postgres-server.ts'
import { newDatabase } from './postgres-database.ts'

/** A test's store belongs to a folder. It is a file in there, or, once a server was named, a database of its own. */
let server: PostgresServer | null = null
const databases = new Map<string, PostgresOptions>()

/** From here on, tests of this process work on PostgreSQL. */
export function usePostgres(given: PostgresServer): void {
  server = given
}

/** The folder's store is this database, which somebody else has made. */
export function useDatabase(folder: string, database: PostgresOptions): void {
  databases.set(folder, database)
}

export async function openStoreIn(folder: string, nowMs: () => number = Date.now): Promise<Store> {
  const postgresql = await postgresOf(folder)
  if (postgresql !== null) return openPostgresStore({ ...postgresql, nowMs })
  return openSqliteStore({ file: fileOf(folder), nowMs })
}

/** Null when the folder's store is a file. */
export async function postgresOf(folder: string): Promise<PostgresOptions | null> {
  const known = databases.get(folder)
  if (known !== undefined) return known
  if (server === null) return null
  const database = await newDatabase(server)
  databases.set(folder, database)
  return database
}

/** Does to the folder's database what its administrator could. */
export async function alter(folder: string, sql: string): Promise<void> {
  const database = databases.get(folder)?.database
  if (server !== null) await server.sql(sql, database)
  else {
    const file = new DatabaseSync(fileOf(folder))
    try {
      file.exec(sql)
    } finally {
      file.close()
    }
  }
}

/** Takes away what keeps the audit record from being changed, and changes it. */
export async function tamper(folder: string, sql: string): Promise<void> {
  const on = server === null ? '' : ' ON audit'
  await alter(
    folder,
    `DROP TRIGGER IF EXISTS audit_never_changes${on}; DROP TRIGGER IF EXISTS audit_shrinks_by_archive${on}`,
  )
  await alter(folder, sql)
}

/** The code of a failure that has a name of its own in each database. */
export function failureCode(kind: 'check' | 'no_such_table'): string {
  if (server === null) return kind === 'check' ? 'SQLITE_275' : 'SQLITE_1'
  return kind === 'check' ? 'PG_23514' : 'PG_42P01'
}

function fileOf(folder: string): string {
  return join(folder, 'vault.sqlite')
}
