import { inDialect, POSTGRESQL, type Migration } from './migrations.ts'
import { countOf, type PostgresSession } from './postgres-connection.ts'

/** Two that migrate at once stand in line. */
const MIGRATION_LOCK = 7_209_002
/** An index over many rows takes its time. */
const MIGRATION_MS_MAX = 3_600_000

/**
 * Brings the database up to the newest version, each migration in a transaction of its own, as the owner of its tables. Returns the
 * migrations that were applied, or 'too_new' when a later release has written it. Rejects with StoreFailure.
 */
export async function migratePostgres(
  session: PostgresSession,
  options: { readonly migrations: readonly Migration[]; readonly nowMs: () => number },
): Promise<readonly Migration[] | 'too_new'> {
  const { migrations, nowMs } = options
  return session.within(MIGRATION_MS_MAX, async () => {
    await session.queries({ text: 'SET statement_timeout = 0; SET lock_timeout = 0; SET client_min_messages = error' })
    await session.query({
      text: 'CREATE TABLE IF NOT EXISTS migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)',
    })
    if ((await postgresVersion(session)) > (migrations.at(-1)?.version ?? 0)) return 'too_new'
    const applied: Migration[] = []
    for (const migration of migrations) if (await apply(session, migration, nowMs)) applied.push(migration)
    return applied
  })
}

/** The version that the database is at. Rejects with StoreFailure: PG_42P01 where none was ever applied. */
export async function postgresVersion(session: PostgresSession): Promise<number> {
  const answer = await session.query({ text: 'SELECT coalesce(max(version), 0) AS version FROM migrations' })
  return countOf(answer, 'version')
}

/** What the vault's own role may do: no more than its work; to the audit record it adds, and takes away what was archived (PCI DSS 7.2.2, 10.3.2). */
export async function grantToVault(session: PostgresSession, role: string): Promise<void> {
  const name = '"' + role.replaceAll('"', '""') + '"'
  const text = GRANTS.map((statement) => statement.replace('@role', () => name)).join('; ')
  await session.queries({ text })
}

const GRANTS = [
  'GRANT USAGE ON SCHEMA public TO @role',
  'GRANT SELECT ON migrations TO @role',
  'GRANT SELECT, INSERT, UPDATE (state, kek_id, wrapped, retired_at_ms, shredded_at_ms) ON keys TO @role',
  'GRANT SELECT, INSERT ON custodians TO @role',
  'GRANT SELECT, INSERT, UPDATE (fingerprint, key_id, sealed, state, claim, ends_at_ms, updated_at_ms) ON cards TO @role',
  'GRANT SELECT, INSERT, DELETE, UPDATE (state, answer, detail, ends_at_ms) ON orders TO @role',
  'GRANT SELECT, INSERT, DELETE, UPDATE (outcome, outcome_code) ON requests TO @role',
  'GRANT SELECT, INSERT, UPDATE ON audit_shipped TO @role',
  'GRANT SELECT, INSERT ON audit_archives TO @role',
  // The trigger of the table lets archived records go alone, and none of the last three months.
  'GRANT SELECT, INSERT, DELETE ON audit TO @role',
]

async function apply(session: PostgresSession, migration: Migration, nowMs: () => number): Promise<boolean> {
  await session.queries({ text: 'BEGIN; SELECT pg_advisory_xact_lock(' + String(MIGRATION_LOCK) + ')' })
  try {
    const isNeeded = (await postgresVersion(session)) < migration.version
    if (isNeeded) {
      await session.queries({ text: inDialect(migration.sql, POSTGRESQL) })
      await session.query({
        text: 'INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, $3)',
        values: [migration.version, migration.name, new Date(nowMs()).toISOString()],
      })
    }
    await session.query({ text: 'COMMIT' })
    return isNeeded
  } catch (error) {
    await session.query({ text: 'ROLLBACK' }).catch(() => session.destroy())
    throw error
  }
}
