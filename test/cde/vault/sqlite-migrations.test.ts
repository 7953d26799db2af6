import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { MIGRATIONS } from '../../../src/cde/vault/migrations.ts'
import { migrate } from '../../../src/cde/vault/sqlite-migrations.ts'

const nowMs = () => 0
const NEWEST = MIGRATIONS.length
const NEXT = { version: NEWEST + 1, name: 'more', sql: 'CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT' }

t.test('an empty database comes up to the newest version, and a second run changes nothing', (t) => {
  const database = new DatabaseSync(':memory:')
  t.equal(migrate(database, { migrations: MIGRATIONS, nowMs }), MIGRATIONS.at(-1)?.version)
  t.equal(migrate(database, { migrations: MIGRATIONS, nowMs }), MIGRATIONS.at(-1)?.version)
  const rows = database.prepare('SELECT version, name, applied_at FROM migrations').all()
  t.equal(rows.length, MIGRATIONS.length)
  t.match(rows[0], { version: 1, applied_at: '1970-01-01T00:00:00.000Z' })
  t.end()
})

t.test('the fifth names to each key of cards that still is the merchant’s key of fingerprints', (t) => {
  const database = new DatabaseSync(':memory:')
  migrate(database, { migrations: MIGRATIONS.slice(0, 4), nowMs })
  const add = database.prepare(
    'INSERT INTO keys (key_id, merchant, purpose, state, kek_id, wrapped, created_at_ms, retired_at_ms, shredded_at_ms)' +
      " VALUES (?, ?, ?, ?, 'kek', x'00', 1, ?, ?)",
  )
  add.run('f_gone', 'shop', 'fingerprint', 'retired', 2, 2)
  add.run('c_gone', 'shop', 'card', 'retired', 2, 2)
  add.run('f_shop', 'shop', 'fingerprint', 'active', 0, 0)
  add.run('c_old', 'shop', 'card', 'retired', 3, 0)
  add.run('c_shop', 'shop', 'card', 'active', 0, 0)
  add.run('c_other', 'other', 'card', 'active', 0, 0)
  migrate(database, { migrations: MIGRATIONS, nowMs })
  const named = database.prepare("SELECT key_id, fingerprint_key_id FROM keys WHERE fingerprint_key_id <> ''").all()
  t.same(named.map((row) => Object.values(row).join(' ')).toSorted(), ['c_old f_shop', 'c_shop f_shop'])
  t.end()
})

t.test('versions follow each other', (t) => {
  t.same(
    MIGRATIONS.map(({ version }) => version),
    MIGRATIONS.map((_, index) => index + 1),
  )
  t.end()
})

t.test('a migration that fails leaves the version before it', (t) => {
  const database = new DatabaseSync(':memory:')
  const broken = { ...NEXT, sql: 'CREATE TABLE half (id INTEGER PRIMARY KEY) STRICT; CREATE NONSENSE' }
  t.throws(() => migrate(database, { migrations: [...MIGRATIONS, broken], nowMs }))
  t.equal(migrate(database, { migrations: MIGRATIONS, nowMs }), NEWEST)
  t.same(database.prepare("SELECT name FROM sqlite_schema WHERE name = 'half'").all(), [])
  t.equal(migrate(database, { migrations: [...MIGRATIONS, NEXT], nowMs }), NEWEST + 1)
  t.end()
})

t.test('a database of a later release is not touched', (t) => {
  const database = new DatabaseSync(':memory:')
  migrate(database, { migrations: [...MIGRATIONS, NEXT], nowMs })
  t.equal(migrate(database, { migrations: MIGRATIONS, nowMs }), 'too_new')
  t.end()
})
