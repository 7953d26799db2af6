import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import t from 'tap'
import { failureOf, GroupCommit } from '../../../src/cde/vault/group-commit.ts'

function openTable(folder: string) {
  const file = join(folder, 'g.sqlite')
  const database = new DatabaseSync(file, { timeout: 0 })
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE rows (id INTEGER PRIMARY KEY) STRICT')
  const insert = database.prepare('INSERT INTO rows (id) VALUES (?)')
  const other = new DatabaseSync(file, { timeout: 0 })
  const ids = () =>
    other
      .prepare('SELECT id FROM rows ORDER BY id')
      .all()
      .map((row) => row['id'])
  return { database, group: new GroupCommit(database), add: (id: number) => insert.run(id).changes, ids, other }
}

t.test('steps of one turn share a commit, and none is told before it', async (t) => {
  const { group, add, ids, database } = openTable(t.testdir())
  let commits = 0
  const seen: unknown[][] = []
  const steps = [1, 2, 3].map((id) =>
    group.run(() => {
      if (id === 1) commits += 1
      add(id)
      return id
    }),
  )
  t.same(ids(), [], 'nothing is written within the turn')
  for (const step of steps) void step.then(() => seen.push(ids()))
  t.same(await Promise.all(steps), [1, 2, 3])
  t.equal(commits, 1)
  t.same(
    seen,
    [
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ],
    'whoever is told sees all of it durable',
  )
  t.notOk(database.isTransaction)
})

t.test('a step that fails is undone alone', async (t) => {
  const { group, add, ids } = openTable(t.testdir())
  const results = await Promise.allSettled([
    group.run(() => add(1)),
    group.run(() => {
      add(2)
      throw new TypeError('4111111111111111')
    }),
    group.run(() => add(1)),
    group.run(() => add(3)),
  ])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  t.match(results[1], { reason: { name: 'StoreFailure', code: 'UNEXPECTED', message: 'the store failed' } })
  t.match(results[2], { reason: { name: 'StoreFailure', code: 'SQLITE_1555' } })
  t.same(ids(), [1, 3])
})

t.test('when the commit cannot begin, nobody is told that it worked', async (t) => {
  const { group, add, ids, other } = openTable(t.testdir())
  other.exec('BEGIN IMMEDIATE')
  const results = await Promise.allSettled([group.run(() => add(1)), group.run(() => add(2))])
  t.same(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  t.match(results[0], { reason: { code: 'SQLITE_5' } })
  other.exec('ROLLBACK')
  t.same(ids(), [])
  await group.run(() => add(4))
  t.same(ids(), [4], 'the next step works again')
})

t.test('more steps than a commit takes are all done, and more than may wait are refused', async (t) => {
  const { group, add, ids } = openTable(t.testdir())
  const results = await Promise.allSettled(Array.from({ length: 4_100 }, (_, id) => group.run(() => add(id))))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 4_096)
  t.match(results.at(-1), { reason: { code: 'STEPS_WAITING' } })
  t.equal(ids().length, 4_096)
})

t.test('draining commits what waits', async (t) => {
  const { group, add, ids } = openTable(t.testdir())
  const step = group.run(() => add(1))
  group.drain()
  t.same(ids(), [1])
  await step
})

t.test('a full disk fails the step and keeps what was there', async (t) => {
  const { group, add, ids, database } = openTable(t.testdir())
  await group.run(() => add(1))
  database.exec('PRAGMA max_page_count = 2')
  const results = await Promise.allSettled(Array.from({ length: 2_000 }, (_, index) => group.run(() => add(index + 2))))
  const failed = results.filter((result) => result.status === 'rejected')
  t.ok(failed.length > 0)
  t.match(failed[0], { reason: { code: 'SQLITE_13' } })
  t.equal(ids().length, 1 + results.length - failed.length, 'what was acknowledged is there and nothing else')
})

t.test('a foreign failure is told by its number only', (t) => {
  t.match(failureOf(new Error('4111111111111111')), { code: 'UNEXPECTED', message: 'the store failed' })
  t.match(failureOf('text'), { code: 'UNEXPECTED' })
  t.end()
})
