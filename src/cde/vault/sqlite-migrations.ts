import type { DatabaseSync } from 'node:sqlite'

type Migration = { readonly version: number; readonly name: string; readonly sql: string }

/** In order; one that was released is never edited, another follows it. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'keys, cards, requests, audit',
    sql: `
      CREATE TABLE keys (
        key_id TEXT PRIMARY KEY,
        merchant TEXT NOT NULL,
        purpose TEXT NOT NULL CHECK (purpose IN ('card', 'fingerprint')),
        state TEXT NOT NULL CHECK (state IN ('active', 'retired')),
        kek_id TEXT NOT NULL,
        wrapped BLOB NOT NULL,
        created_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX keys_one_active ON keys (merchant, purpose) WHERE state = 'active';

      CREATE TABLE cards (
        token TEXT PRIMARY KEY,
        merchant TEXT NOT NULL,
        fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
        key_id TEXT NOT NULL REFERENCES keys (key_id),
        sealed BLOB NOT NULL,
        last_four TEXT NOT NULL CHECK (length(last_four) = 4),
        brand TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        updated_at_ms INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX cards_one_token ON cards (merchant, fingerprint);
      CREATE INDEX cards_by_key ON cards (key_id);

      CREATE TABLE requests (
        merchant TEXT NOT NULL,
        operation TEXT NOT NULL CHECK (operation IN ('tokenize', 'authorize')),
        idempotency_key TEXT NOT NULL,
        digest BLOB NOT NULL CHECK (length(digest) = 32),
        token TEXT NOT NULL REFERENCES cards (token),
        outcome TEXT NOT NULL CHECK (outcome IN ('pending', 'done', 'approved', 'declined')),
        outcome_code TEXT NOT NULL,
        created_at_ms INTEGER NOT NULL,
        PRIMARY KEY (merchant, operation, idempotency_key)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX requests_by_age ON requests (created_at_ms);
      CREATE INDEX requests_by_token ON requests (token);

      CREATE TABLE audit (
        sequence INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        role TEXT NOT NULL,
        action TEXT NOT NULL,
        outcome TEXT NOT NULL,
        origin TEXT NOT NULL,
        merchant TEXT NOT NULL,
        resource TEXT NOT NULL,
        window_id TEXT NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32)
      ) STRICT;
      CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
        BEGIN SELECT RAISE (ABORT, 'the audit record is append-only'); END;
      CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
        BEGIN SELECT RAISE (ABORT, 'the audit record is append-only'); END;
    `,
  },
]

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
      database.exec(migration.sql)
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
