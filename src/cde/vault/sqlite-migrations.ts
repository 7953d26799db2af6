import type { DatabaseSync } from 'node:sqlite'
import { inDialect, SQLITE, type Migration } from './migrations.ts'

/**
 * Brings the database up to the newest version, each migration in a transaction of its own. Returns the version, or
 * 'too_new' when a later release has written this file.
 */
export function migrate(
  database: DatabaseSync,
  options: { readonly migrations: readonly Migration[]; readonly nowMs: () => number },
): number | 'too_new' {
  database.exec(
    'CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT',
  )
  const newest = options.migrations.at(-1)?.version ?? 0
  if (versionOf(database) > newest) return 'too_new'
  for (const migration of options.migrations) apply(database, migration, options.nowMs)
  return versionOf(database)
}

function apply(database: DatabaseSync, migration: Migration, nowMs: () => number): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    if (versionOf(database) < migration.version) {
      database.exec(inDialect(migration.sql, SQLITE))
      database
        .prepare('INSERT INTO migrations (version, name, applied_at) VALUES (?, ?, ?)')
        .run(migration.version, migration.name, new Date(nowMs()).toISOString())
    }
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function versionOf(database: DatabaseSync): number {
  const row = database.prepare('SELECT coalesce(max(version), 0) AS version FROM migrations').get()
  return Number(row?.['version'])
}
