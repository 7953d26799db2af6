import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { AuditEntry } from '../../../src/cde/vault/audit-chain.ts'
import type { Store } from '../../../src/cde/vault/store.ts'
import { openSqliteStore } from '../../../src/cde/vault/store-sqlite.ts'

const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: '',
  windowId: 'w1',
}

function openIn(folder: string): Store {
  return openSqliteStore({ file: join(folder, 'data', 'v.sqlite'), nowMs: Date.now })
}

t.test('files are for their owner only, and the log is synchronized at each commit', async (t) => {
  const folder = t.testdir()
  const store = openIn(folder)
  await store.append(ENTRY)
  t.equal(statSync(join(folder, 'data')).mode & 0o777, 0o700)
  for (const name of ['v.sqlite', 'v.sqlite-wal', 'v.sqlite-shm']) {
    t.equal(statSync(join(folder, 'data', name)).mode & 0o777, 0o600, name)
  }
  const reader = new DatabaseSync(join(folder, 'data', 'v.sqlite'))
  t.equal(reader.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal')
  reader.close()
  await store.close()
})

t.test('a file that is no database, or of a later release, is refused by a code', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'v.sqlite')
  writeFileSync(file, 'not a database, and long enough to be taken for one that is damaged'.repeat(20))
  t.throws(() => openSqliteStore({ file, nowMs: Date.now }), { name: 'StoreFailure', code: 'SQLITE_26' })
  await openIn(folder).close()
  const database = new DatabaseSync(join(folder, 'data', 'v.sqlite'))
  database.exec("INSERT INTO migrations (version, name, applied_at) VALUES (999, 'future', '')")
  database.close()
  t.throws(() => openIn(folder), { code: 'TOO_NEW' })
})
