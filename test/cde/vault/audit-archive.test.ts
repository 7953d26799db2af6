import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { main, verifyFiles } from '../../../src/audit-verify.mjs'
import { AuditArchive } from '../../../src/cde/vault/audit-archive.ts'
import type { AuditEntry } from '../../../src/cde/vault/audit-chain.ts'
import { openSigningKey } from '../../../src/cde/vault/audit-checkpoint.ts'
import { exportAudit } from '../../../src/cde/vault/audit-export.ts'
import { auditTail } from '../../../src/cde/vault/audit-tail.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { alter, openStoreIn } from './test-store.ts'

const RECORDS_A_MONTH = 3
const MONTHS = 14
const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: 'tok',
  windowId: 'w',
}

function monthsAgo(months: number): Date {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1, 12))
}

/** A store with some records in each of the last fourteen months and in this one; times are the database's own, which judges them. */
async function setUp(t: Test) {
  const folder = t.testdir()
  const files = join(folder, 'audit')
  const clock = { nowMs: 0 }
  const lines: string[] = []
  const logger = createLogger({ role: 'vault', level: 'debug', stream: { write: (line) => lines.push(line) } })
  const store = await openStoreIn(folder, () => clock.nowMs)
  t.teardown(() => store.close())
  for (let months = MONTHS; months >= 0; months -= 1) {
    clock.nowMs = monthsAgo(months).getTime()
    await Promise.all(Array.from({ length: RECORDS_A_MONTH }, () => store.append(ENTRY)))
  }
  clock.nowMs = Date.now()
  const signer = openSigningKey({ file: join(folder, 'key'), mayMake: true, logger })
  const shipped = { to: Infinity }
  const archive = (keptMonths: number) => {
    const nowMs = () => clock.nowMs
    const parts = {
      store,
      signer,
      folder: files,
      nowMs,
      logger,
      shipped: () => shipped.to,
      onlineMonths: 3,
      keptMonths,
    }
    const archive = new AuditArchive(parts)
    t.teardown(() => archive.close())
    return archive
  }
  const segments = () => readdirSync(join(files, 'archive')).map((name) => join(files, 'archive', name))
  const live = async () => {
    const file = join(folder, 'live.jsonl')
    const pieces = await exportAudit(store)
    let text = ''
    for await (const piece of pieces ?? []) text += piece
    writeFileSync(file, text)
    return file
  }
  return { folder, store, signer, shipped, archive, segments, live, lines }
}

t.test('months that are over leave the store for sealed files, and the chain goes on across them', async (t) => {
  const { store, signer, archive, segments, live, lines } = await setUp(t)
  const before = await store.auditHead()
  const work = archive(24)
  await work.look()
  await work.look()
  const files = segments()
  t.equal(files.length, MONTHS - 3, 'three whole months before this one stay on line')
  t.match(files[0], new RegExp(`audit-0{15}1-${monthsAgo(MONTHS).toISOString().slice(0, 7)}\\.jsonl$`))
  for (const file of files) t.equal(statSync(file).mode & 0o777, 0o600)
  const archived = (MONTHS - 3) * RECORDS_A_MONTH
  t.equal((await store.archivedTo()).sequence, archived)
  t.equal(
    (await store.auditAfter(0, 1))[0]?.sequence,
    archived,
    'the last archived record is what the chain goes on from',
  )
  t.equal((await store.auditHead()).sequence, before.sequence + files.length, 'each file is in the record')
  t.match(await auditTail(store), { kind: 'intact' })

  const keys = [signer.publicKey]
  t.match(
    await verifyFiles({ files, keys }),
    { kind: 'intact', from: { sequence: 0 }, signedTo: archived },
    'sealed to the end',
  )
  const all = [...files, await live()]
  t.match(await verifyFiles({ files: all, keys, whole: true }), {
    kind: 'intact',
    head: { sequence: before.sequence + files.length },
  })
  t.match(await verifyFiles({ files: all.toSpliced(4, 1), keys }), { kind: 'broken', code: 'missing' })
  t.match(await verifyFiles({ files: all.toSpliced(files.length - 1, 1), keys }), { kind: 'broken', code: 'missing' })
  t.match(await verifyFiles({ files: all.slice(1), keys, whole: true }), {
    kind: 'broken',
    code: 'missing',
    sequence: 1,
  })
  t.match(await verifyFiles({ files: all.slice(1), keys }), { kind: 'intact', removed: false })

  const [first = ''] = files
  const sealed = readFileSync(first, 'utf8')
  for (const changed of [
    sealed.replace(/"signature":"./, (text) => text.slice(0, -1) + (text.endsWith('A') ? 'B' : 'A')),
    sealed.replace(/"seal":\{"keyId":"ed25519-./, (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')),
    sealed.replace(/("seal":.*"at":")\d/, '$19'),
  ]) {
    t.not(changed, sealed)
    writeFileSync(first, changed)
    t.match(await verifyFiles({ files, keys }), { kind: 'broken', code: 'signature' })
  }
  writeFileSync(first, sealed)
  t.notMatch(lines.join(''), 'not_archived')
})

t.test('what was not shipped, or is not old enough, stays in the store', async (t) => {
  const { folder, store, shipped, archive, segments } = await setUp(t)
  shipped.to = 5
  const work = archive(24)
  await work.look()
  t.equal(segments().length, 1, 'the second month was not shipped to its end')
  t.equal((await store.auditAfter(0, 1))[0]?.sequence, RECORDS_A_MONTH)
  for (const sequence of [RECORDS_A_MONTH, RECORDS_A_MONTH + 1]) {
    await t.rejects(alter(folder, `DELETE FROM audit WHERE sequence = ${sequence}`), /append-only/)
  }
  const head = await store.auditHead()
  await store.keepArchive({ last: head, name: 'x', archivedAtMs: 0 })
  t.equal(await store.pruneAudit(MONTHS * RECORDS_A_MONTH - 20), 0 + MONTHS * RECORDS_A_MONTH - 20)
  await t.rejects(store.pruneAudit(1_000), { name: 'StoreFailure' }, 'not even a vault deletes what is young')
  await t.rejects(alter(folder, 'DELETE FROM audit_archives'), /append-only/)
})

t.test('files older than twelve months are removed, and the record says so', async (t) => {
  const { folder, store, signer, archive, segments, live } = await setUp(t)
  const month = monthsAgo(MONTHS).toISOString().slice(0, 7)
  const work = archive(12)
  await work.look()
  const files = segments()
  t.equal(files.length, 12 - 3, 'of twelve months, three are in the store')
  const removed = (await store.auditAfter(0, 100)).filter(({ action }) => action === 'archive_removed')
  t.same(
    removed.map(({ resource }) => resource.split(' ').at(-1)?.slice(-13, -6)),
    [monthsAgo(MONTHS), monthsAgo(MONTHS - 1)].map((date) => date.toISOString().slice(0, 7)),
  )
  const all = [...files, await live()]
  const keys = [signer.publicKey]
  t.match(await verifyFiles({ files: all, keys, whole: true }), { kind: 'intact', removed: true })
  t.match(await verifyFiles({ files: all.slice(1), keys, whole: true }), { kind: 'broken', code: 'missing' })
  const said: string[] = []
  writeFileSync(join(folder, 'key.pem'), signer.publicKey)
  await main(
    ['--key', join(folder, 'key.pem'), '--whole', ...all],
    (line) => said.push(line),
    (line) => t.fail(line),
  )
  t.match(said.join('\n'), 'were removed when their time was over')

  const daily = join(folder, 'audit', `audit-${month}-15.jsonl`)
  const [oldest = ''] = files
  writeFileSync(daily, readFileSync(oldest))
  writeFileSync(daily.replace('-15.', '-16.'), 'not ended')
  await work.look()
  t.throws(() => statSync(daily), 'a daily file of that time too')
  t.ok(statSync(daily.replace('-15.', '-16.')), 'but none that is not as ours are')
  rmSync(oldest)
})
