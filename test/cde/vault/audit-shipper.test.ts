import { appendFileSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { verifyFiles } from '../../../src/audit-verify.mjs'
import { AUDIT_GENESIS, type AuditEntry } from '../../../src/cde/vault/audit-chain.ts'
import { AuditFiles } from '../../../src/cde/vault/audit-files.ts'
import { beginLine } from '../../../src/cde/vault/audit-lines.ts'
import { AuditShipper, type AuditSink } from '../../../src/cde/vault/audit-shipper.ts'
import { AuditSyslog } from '../../../src/cde/vault/audit-syslog.ts'
import { openSqliteStore } from '../../../src/cde/vault/store-sqlite.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { AuditCollector } from '../../fakes/audit-collector.ts'
import { eventually } from '../../fakes/eventually.ts'
import { SipAuthority } from '../../fakes/sip-certificates.ts'

const DAY_MS = 86_400_000
const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: 'tok_é',
  windowId: 'w',
}

function setUp(t: Test) {
  const folder = t.testdir()
  const clock = { nowMs: Date.UTC(2026, 10, 22, 12) }
  const lines: string[] = []
  const logger = createLogger({ role: 'vault', level: 'debug', stream: { write: (line) => lines.push(line) } })
  const store = openSqliteStore({ file: join(folder, 'v.sqlite'), nowMs: () => clock.nowMs })
  t.teardown(() => store.close())
  const ship = (sink: AuditSink) => {
    const shipper = new AuditShipper({ store, sink, lag: () => undefined, logger, lookEveryMs: 5, againMs: 10 })
    t.teardown(() => shipper.close())
    return shipper
  }
  const append = (count: number) => Promise.all(Array.from({ length: count }, () => store.append(ENTRY)))
  return { folder, clock, lines, store, ship, append, files: join(folder, 'audit') }
}

t.test('each day has a file, for its owner alone, and all of them are one chain', async (t) => {
  const { clock, ship, append, files } = setUp(t)
  const paths = () =>
    readdirSync(files)
      .toSorted()
      .map((name) => join(files, name))
  const shipper = ship(new AuditFiles({ folder: files }))
  await append(700)
  clock.nowMs += DAY_MS
  await append(3)
  clock.nowMs -= DAY_MS
  await append(2)
  await shipper.close()
  await shipper.close()
  t.same(readdirSync(files).toSorted(), ['audit-2026-11-22.jsonl', 'audit-2026-11-23.jsonl'])
  for (const path of paths()) t.equal(statSync(path).mode & 0o777, 0o600)
  t.match(await verifyFiles({ files: paths(), live: true }), { kind: 'intact', head: { sequence: 705 } })

  clock.nowMs += 3 * DAY_MS
  await append(4)
  const again = ship(new AuditFiles({ folder: files }))
  await again.close()
  t.equal(paths().length, 3)
  t.match(await verifyFiles({ files: paths(), live: true }), { kind: 'intact', head: { sequence: 709 } })

  appendFileSync(paths()[2] ?? '', '{"sequence":710,"at":"half a li')
  await append(1)
  await ship(new AuditFiles({ folder: files })).close()
  t.match(await verifyFiles({ files: paths(), live: true }), { kind: 'intact', head: { sequence: 710 } })
})

t.test('a folder that cannot be written to leaves the backlog in the store, and is told once', async (t) => {
  const { ship, append, files, lines } = setUp(t)
  writeFileSync(files, 'in the way')
  const shipper = ship(new AuditFiles({ folder: files }))
  await append(5)
  await eventually(() => shipper.backlog === 5 && lines.join('').includes('not shipped'))
  renameSync(files, `${files}-away`)
  await eventually(() => shipper.backlog === 0)
  await shipper.close()
  t.equal(lines.filter((line) => line.includes('is not shipped')).length, 1)
  t.match(lines.join(''), 'shipped again')
  t.match(await verifyFiles({ files: [join(files, 'audit-2026-11-22.jsonl')], live: true }), { kind: 'intact' })
})

t.test('a file that somebody else wrote into is not continued', async (t) => {
  const { ship, append, files, lines } = setUp(t)
  mkdirSync(files)
  writeFileSync(join(files, 'audit-2026-11-22.jsonl'), 'something else\n')
  const shipper = ship(new AuditFiles({ folder: files }))
  await append(1)
  await eventually(() => lines.join('').includes('AUDIT_FILE_FOREIGN'))
  t.equal(shipper.backlog, 1)
})

t.test('a collector gets every record over TLS, also after it was away', async (t) => {
  const { folder, store, ship, append } = setUp(t)
  const authority = new SipAuthority()
  const certificate = authority.leaf({ dns: ['collector.test'] })
  const first = await AuditCollector.start(certificate)
  const { port } = first
  const sink = () =>
    new AuditSyslog({
      host: '127.0.0.1',
      port,
      authority: authority.certificate,
      name: 'collector.test',
    })
  const shipper = ship(sink())
  await append(20)
  await eventually(() => first.lines.length === 20)
  t.match(first.messages[0], /^<109>1 2026-11-22T12:00:00\.000Z - tonewall-vault - tokenize - \ufeff\{"sequence":1,/)
  await first.close()
  await append(600)
  await eventually(() => shipper.backlog > 0)
  const second = await AuditCollector.start(certificate, { port })
  await eventually(() => new Set([...first.lines, ...second.lines]).size === 620)
  await eventually(() => shipper.backlog === 0)
  await shipper.close()

  const collected = join(folder, 'collected.jsonl')
  const lines = [beginLine(AUDIT_GENESIS), ...new Set([...first.lines, ...second.lines])]
  writeFileSync(collected, `${lines.join('\n')}\n`)
  const head = await store.auditHead()
  t.match(await verifyFiles({ files: [collected], live: true }), { kind: 'intact', head: { sequence: head.sequence } })

  t.equal(await store.shipped('syslog'), 620)
  const before = second.messages.length
  await append(1)
  await ship(sink()).close()
  await eventually(() => second.messages.length > before)
  t.match(second.messages.at(-1), '"sequence":621')
  t.equal(second.messages.length, before + 1, 'after a restart it goes on where it was')
  await second.close()
})

t.test('who is not the collector gets nothing', async (t) => {
  const { ship, append, lines } = setUp(t)
  const authority = new SipAuthority()
  const other = new SipAuthority()
  const impostors = [
    other.leaf({ dns: ['collector.test'] }),
    authority.leaf({ dns: ['else.test'] }),
    authority.leaf({ dns: ['collector.test'], endsInMs: -60_000 }),
  ]
  await append(3)
  for (const certificate of impostors) {
    lines.length = 0
    const collector = await AuditCollector.start(certificate)
    const shipper = ship(
      new AuditSyslog({
        host: '127.0.0.1',
        port: collector.port,
        authority: authority.certificate,
        name: 'collector.test',
      }),
    )
    await eventually(() => lines.join('').includes('not shipped'))
    t.equal(collector.messages.length, 0)
    t.equal(shipper.backlog, 3)
    await shipper.close()
    await collector.close()
  }
})
