export type Migration = { readonly version: number; readonly name: string; readonly sql: string }

/**
 * In order, for every store; one that was released is never edited, another follows it. Words in capitals that are no SQL
 * differ between databases, and are replaced by what a Dialect says: BYTES, INT64, LETTERS, ROWS_TYPED, ROWS_BY_KEY, and
 * APPEND_ONLY(table), AUDIT_SHRINKS_BY_ARCHIVE.
 */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: 'keys, cards, requests, audit',
    sql: `
      CREATE TABLE keys (
        key_id LETTERS PRIMARY KEY,
        merchant LETTERS NOT NULL,
        purpose LETTERS NOT NULL CHECK (purpose IN ('card', 'fingerprint')),
        state LETTERS NOT NULL CHECK (state IN ('active', 'retired')),
        kek_id LETTERS NOT NULL,
        wrapped BYTES NOT NULL,
        created_at_ms INT64 NOT NULL
      ) ROWS_TYPED;
      CREATE UNIQUE INDEX keys_one_active ON keys (merchant, purpose) WHERE state = 'active';

      CREATE TABLE cards (
        token LETTERS PRIMARY KEY,
        merchant LETTERS NOT NULL,
        fingerprint BYTES NOT NULL CHECK (length(fingerprint) = 32),
        key_id LETTERS NOT NULL REFERENCES keys (key_id),
        sealed BYTES NOT NULL,
        last_four LETTERS NOT NULL CHECK (length(last_four) = 4),
        brand LETTERS NOT NULL,
        created_at_ms INT64 NOT NULL,
        updated_at_ms INT64 NOT NULL
      ) ROWS_BY_KEY;
      CREATE UNIQUE INDEX cards_one_token ON cards (merchant, fingerprint);
      CREATE INDEX cards_by_key ON cards (key_id);

      CREATE TABLE requests (
        merchant LETTERS NOT NULL,
        operation LETTERS NOT NULL CHECK (operation IN ('tokenize', 'authorize')),
        idempotency_key LETTERS NOT NULL,
        digest BYTES NOT NULL CHECK (length(digest) = 32),
        token LETTERS NOT NULL REFERENCES cards (token),
        outcome LETTERS NOT NULL CHECK (outcome IN ('pending', 'done', 'approved', 'declined')),
        outcome_code LETTERS NOT NULL,
        created_at_ms INT64 NOT NULL,
        PRIMARY KEY (merchant, operation, idempotency_key)
      ) ROWS_BY_KEY;
      CREATE INDEX requests_by_age ON requests (created_at_ms);
      CREATE INDEX requests_by_token ON requests (token);

      CREATE TABLE audit (
        sequence INT64 PRIMARY KEY,
        at LETTERS NOT NULL,
        role LETTERS NOT NULL,
        action LETTERS NOT NULL,
        outcome LETTERS NOT NULL,
        origin LETTERS NOT NULL,
        merchant LETTERS NOT NULL,
        resource LETTERS NOT NULL,
        window_id LETTERS NOT NULL,
        hash BYTES NOT NULL CHECK (length(hash) = 32)
      ) ROWS_TYPED;
      APPEND_ONLY(audit);
    `,
  },
  {
    version: 2,
    name: 'when a key was retired or shredded, and custodians',
    sql: `
      ALTER TABLE keys ADD COLUMN retired_at_ms INT64 NOT NULL DEFAULT 0;
      ALTER TABLE keys ADD COLUMN shredded_at_ms INT64 NOT NULL DEFAULT 0;

      CREATE TABLE custodians (
        kek_id LETTERS NOT NULL,
        share INT64 NOT NULL,
        threshold INT64 NOT NULL,
        digest BYTES NOT NULL CHECK (length(digest) = 32),
        created_at_ms INT64 NOT NULL,
        PRIMARY KEY (kek_id, share)
      ) ROWS_BY_KEY;
    `,
  },
  {
    version: 3,
    name: 'the life of tokens, and orders of clients',
    sql: `
      ALTER TABLE cards ADD COLUMN reuse LETTERS NOT NULL DEFAULT 'reusable' CHECK (reuse IN ('reusable', 'single'));
      ALTER TABLE cards ADD COLUMN state LETTERS NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'claimed', 'gone'));
      ALTER TABLE cards ADD COLUMN claim LETTERS NOT NULL DEFAULT '';
      ALTER TABLE cards ADD COLUMN ends_at_ms INT64 NOT NULL DEFAULT 0;
      DROP INDEX cards_one_token;
      CREATE UNIQUE INDEX cards_one_token ON cards (merchant, fingerprint) WHERE reuse = 'reusable' AND state = 'live';
      CREATE INDEX cards_by_end ON cards (ends_at_ms) WHERE ends_at_ms > 0;

      CREATE TABLE orders (
        order_id LETTERS PRIMARY KEY,
        client LETTERS NOT NULL,
        merchant LETTERS NOT NULL,
        operation LETTERS NOT NULL,
        digest BYTES NOT NULL CHECK (length(digest) = 32),
        state LETTERS NOT NULL CHECK (state IN ('pending', 'done', 'requested', 'approved', 'collected')),
        answer LETTERS NOT NULL,
        detail LETTERS NOT NULL,
        created_at_ms INT64 NOT NULL,
        ends_at_ms INT64 NOT NULL
      ) ROWS_BY_KEY;
      CREATE INDEX orders_by_end ON orders (ends_at_ms);
    `,
  },
  {
    version: 4,
    name: 'what of the audit record was shipped, and what was archived',
    sql: `
      CREATE TABLE audit_shipped (
        sink LETTERS PRIMARY KEY,
        sequence INT64 NOT NULL
      ) ROWS_BY_KEY;

      CREATE TABLE audit_archives (
        last_sequence INT64 PRIMARY KEY,
        hash BYTES NOT NULL CHECK (length(hash) = 32),
        name LETTERS NOT NULL,
        archived_at_ms INT64 NOT NULL
      ) ROWS_TYPED;
      APPEND_ONLY(audit_archives);
      AUDIT_SHRINKS_BY_ARCHIVE;
    `,
  },
  {
    version: 5,
    name: 'the key of fingerprints that goes with a key of cards',
    sql: `
      ALTER TABLE keys ADD COLUMN fingerprint_key_id LETTERS NOT NULL DEFAULT '';
      UPDATE keys SET fingerprint_key_id = coalesce((
        SELECT f.key_id FROM keys f
        WHERE f.merchant = keys.merchant AND f.purpose = 'fingerprint' AND f.state = 'active'
      ), '') WHERE purpose = 'card' AND shredded_at_ms = 0;
    `,
  },
]

/** How one database says what the migrations leave open. */
export type Dialect = {
  readonly bytes: string
  readonly int64: string
  /** Text that is compared by its bytes. */
  readonly letters: string
  /** Behind a table. */
  readonly rowsTyped: string
  /** Behind a table whose rows lie in the order of its primary key. */
  readonly rowsByKey: string
  /** Refuses every change and deletion; @table stands for the table's name. */
  readonly appendOnly: string
  /** From here on, records may be deleted that stand before the last archived one and are older than three months (PCI DSS 10.5.1). */
  readonly auditShrinksByArchive: string
}

export const SQLITE: Dialect = {
  bytes: 'BLOB',
  int64: 'INTEGER',
  letters: 'TEXT',
  rowsTyped: 'STRICT',
  rowsByKey: 'STRICT, WITHOUT ROWID',
  appendOnly: `CREATE TRIGGER @table_never_changes BEFORE UPDATE ON @table
        BEGIN SELECT RAISE (ABORT, 'the audit record is append-only'); END;
      CREATE TRIGGER @table_never_shrinks BEFORE DELETE ON @table
        BEGIN SELECT RAISE (ABORT, 'the audit record is append-only'); END`,
  auditShrinksByArchive: `DROP TRIGGER audit_never_shrinks;
      CREATE TRIGGER audit_shrinks_by_archive BEFORE DELETE ON audit
        WHEN OLD.sequence >= (SELECT coalesce(max(last_sequence), 0) FROM audit_archives)
          OR OLD.at > strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-3 months')
        BEGIN SELECT RAISE (ABORT, 'the audit record is append-only'); END`,
}

export const POSTGRESQL: Dialect = {
  bytes: 'BYTEA',
  int64: 'BIGINT',
  letters: 'TEXT COLLATE "C"',
  rowsTyped: '',
  rowsByKey: '',
  appendOnly: `CREATE FUNCTION @table_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit record is append-only'; END $$;
      CREATE TRIGGER @table_never_changes BEFORE UPDATE OR DELETE OR TRUNCATE ON @table
        FOR EACH STATEMENT EXECUTE FUNCTION @table_is_append_only()`,
  auditShrinksByArchive: `DROP TRIGGER audit_never_changes ON audit;
      CREATE TRIGGER audit_never_changes BEFORE UPDATE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
      CREATE FUNCTION audit_shrinks_by_archive() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
          IF OLD.sequence >= (SELECT coalesce(max(last_sequence), 0) FROM audit_archives)
            OR OLD.at > to_char(now() AT TIME ZONE 'UTC' - interval '3 months', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
          THEN RAISE EXCEPTION 'the audit record is append-only'; END IF;
          RETURN OLD;
        END $$;
      CREATE TRIGGER audit_shrinks_by_archive BEFORE DELETE ON audit
        FOR EACH ROW EXECUTE FUNCTION audit_shrinks_by_archive()`,
}

/** The migration's SQL for one database. */
export function inDialect(sql: string, dialect: Dialect): string {
  return sql
    .replaceAll(/\bAPPEND_ONLY\((\w+)\)/g, (_, table: string) => dialect.appendOnly.replaceAll('@table', table))
    .replaceAll(/\bAUDIT_SHRINKS_BY_ARCHIVE\b/g, () => dialect.auditShrinksByArchive)
    .replaceAll(/\bBYTES\b/g, dialect.bytes)
    .replaceAll(/\bINT64\b/g, dialect.int64)
    .replaceAll(/\bLETTERS\b/g, dialect.letters)
    .replaceAll(/\bROWS_TYPED\b/g, dialect.rowsTyped)
    .replaceAll(/\bROWS_BY_KEY\b/g, dialect.rowsByKey)
}
