import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { verifyAudit } from '../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../src/cde/vault/audit-tail.ts'
import { MIGRATIONS } from '../../../src/cde/vault/migrations.ts'
import { moveIntoDatabase, prepareDatabase } from '../../../src/cde/vault/store-administration.ts'
import { MOVED_TABLES } from '../../../src/cde/vault/store-move.ts'
import { openPostgresStore } from '../../../src/cde/vault/store-postgres.ts'
import { openVault } from '../../../src/cde/vault/vault.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { GUARD, openTestVault, tokenOf } from './open-test-vault.ts'
import { newDatabase, vaultOptions } from './postgres-database.ts'

const server = await PostgresServer.start()
t.teardown(() => server.close())

const nowMs = Date.now

/** A vault's file with as many cards, whose tokens are returned. */
async function fileWith(folder: string, cards: number): Promise<readonly string[]> {
  const vault = await openTestVault(folder)
  const replies = await Promise.all(
    Array.from({ length: cards }, (_, index) =>
      vault.tokenize({ ...testCard(), pan: digits(numberedPan(index)) }, { idempotencyKey: `request-${index}` }),
    ),
  )
  await vault.keyRing.rotateSealingKey('shop')
  await vault.keyRing.rotateFingerprintKey('shop')
  await vault.close()
  return replies.map(tokenOf)
}

t.test('tokens, keys and chain are the same after a move, and the vault goes on with them', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'vault.sqlite')
  const tokens = await fileWith(folder, 1_200)
  const target = await newDatabase(server)
  const outcome = await moveIntoDatabase({ file, target, nowMs })
  t.match(outcome, { kind: 'moved', rows: { keys: 7, cards: 1_200, requests: 1_200 } })
  const vault = await openVault({
    dataDir: folder,
    postgresql: target,
    merchants: [{ name: 'shop' }, { name: 'other' }],
    guardMerchants: ['shop', 'other'],
    logger: createLogger({ role: 'vault', level: 'silent' }),
    metrics: new Metrics('vault'),
  })
  const ask = (index: number, idempotencyKey: string) =>
    vault.service.handle(
      { type: 'tokenize', merchant: 'shop', windowId: 'w', idempotencyKey },
      composeCardBody({ ...testCard(), pan: digits(numberedPan(index)) }),
      GUARD,
    )
  t.equal(tokenOf(await ask(7, 'request-7')), tokens[7], 'the same answer to the same request')
  t.equal(tokenOf(await ask(8, 'later-request')), tokens[8], 'the same token of the same card')
  t.match(await verifyAudit(auditRecords(vault.store)), { kind: 'intact' })
  t.match(
    (await vault.store.auditAfter(0, 5_000)).filter(({ action }) => action === 'administrator_act'),
    [{ resource: 'store moved' }],
  )
  await vault.close()
  t.same(await moveIntoDatabase({ file, target, nowMs }), { kind: 'refused', code: 'already_moved' })
})

t.test('a move that was broken off is gone on with; what the file does not hold is a reason to refuse', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'vault.sqlite')
  await fileWith(folder, 5)
  const done = await newDatabase(server)
  await moveIntoDatabase({ file, target: done, nowMs })
  const half = await newDatabase(server)
  await moveIntoDatabase({ file, target: half, nowMs })
  await server.sql(
    'ALTER TABLE audit DISABLE TRIGGER ALL; DELETE FROM audit; DELETE FROM requests; ALTER TABLE audit ENABLE TRIGGER ALL',
    half.database,
  )
  t.match(await moveIntoDatabase({ file, target: half, nowMs }), { kind: 'moved', rows: { cards: 5 } })

  const other = await newDatabase(server)
  const store = await openPostgresStore({ ...other, nowMs })
  const act = { role: 'vault', action: 'vault_start', outcome: 'done', origin: 'local' } as const
  await store.append({ ...act, merchant: '', resource: '', windowId: '' })
  await store.close()
  t.same(await moveIntoDatabase({ file, target: other, nowMs }), { kind: 'refused', code: 'differs' })
  await server.sql("UPDATE cards SET last_four = '0000'", done.database)
  await server.sql('ALTER TABLE audit DISABLE TRIGGER ALL; DELETE FROM audit', done.database)
  t.same(await moveIntoDatabase({ file, target: done, nowMs }), { kind: 'refused', code: 'differs' })
})

t.test('a vault that works on the file, a file that was tampered with, and none at all are refused', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'vault.sqlite')
  await fileWith(folder, 2)
  const target = await newDatabase(server)
  const busy = new DatabaseSync(file)
  busy.exec('BEGIN IMMEDIATE')
  await t.rejects(moveIntoDatabase({ file, target, nowMs }), { code: 'SQLITE_5' })
  busy.exec('ROLLBACK')
  busy.exec("DROP TRIGGER audit_never_changes; UPDATE audit SET role = 'desk' WHERE sequence = 2")
  t.same(await moveIntoDatabase({ file, target, nowMs }), { kind: 'refused', code: 'source_broken' })
  const tables = busy.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'migrations'").all()
  t.same(tables.map(({ name }) => name).toSorted(), [...MOVED_TABLES].toSorted(), 'every table is moved')
  busy.close()
  await t.rejects(moveIntoDatabase({ file: `${file}.none`, target, nowMs }), { code: 'NO_FILE' })
})

t.test('a database is prepared once by its owner, and the vault’s role can do its work and no more', async (t) => {
  await server.sql('CREATE DATABASE bare OWNER vault_owner')
  const vault = vaultOptions(server, 'bare')
  await t.rejects(openPostgresStore({ ...vault, nowMs }), { code: 'NOT_MIGRATED' })
  const options = { owner: vaultOptions(server, 'bare', 'vault_owner'), role: 'vault', nowMs }
  t.match((await prepareDatabase(options)).length, MIGRATIONS.length)
  t.same((await prepareDatabase(options)).length, 0)
  const asVault = (sql: string) => server.sql(`SET ROLE vault; ${sql}`, 'bare')
  const digest = "decode(repeat('00', 32), 'hex')"
  await asVault(`INSERT INTO audit VALUES (1, '2020-01-01T00:00:00.000Z', '', '', '', '', '', '', '', ${digest})`)
  await t.rejects(asVault('DELETE FROM audit'), { code: 'P0001' }, 'what was not archived stays, whoever asks')
  await t.rejects(asVault("UPDATE audit SET role = 'x'"), { code: '42501' })
  await t.rejects(asVault('TRUNCATE audit'), { code: '42501' })
  await t.rejects(asVault('DELETE FROM cards'), { code: '42501' })
  await t.rejects(asVault("UPDATE cards SET token = 'x'"), { code: '42501' })
  await t.rejects(asVault('DROP TABLE cards'), { code: '42501' })
  await t.rejects(asVault('CREATE TABLE mine ()'), { code: '42501' })
  await t.rejects(server.sql('SET ROLE vault_owner; TRUNCATE audit', 'bare'), { message: /append-only/ })
  await server.sql("INSERT INTO migrations VALUES (999, 'future', '')", 'bare')
  await t.rejects(openPostgresStore({ ...vault, nowMs }), { code: 'TOO_NEW' })
  t.equal(await prepareDatabase(options), 'too_new')
})
