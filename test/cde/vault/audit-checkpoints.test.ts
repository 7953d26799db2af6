import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AuditEntry, AuditRecord } from '../../../src/cde/vault/audit-chain.ts'
import { checkpointHead, openSigningKey } from '../../../src/cde/vault/audit-checkpoint.ts'
import { AuditCheckpoints } from '../../../src/cde/vault/audit-checkpoints.ts'
import type { Store } from '../../../src/cde/vault/store.ts'
import { openSqliteStore } from '../../../src/cde/vault/store-sqlite.ts'
import { createLogger } from '../../../src/kit/log.ts'

const ENTRY: AuditEntry = {
  role: 'vault',
  action: 'vault_start',
  outcome: 'done',
  origin: 'local',
  merchant: '',
  resource: '',
  windowId: '',
}

function setUp(t: Test, options: { readonly recordsBetween?: number; readonly msBetween?: number } = {}) {
  const folder = t.testdir()
  const clock = { nowMs: Date.UTC(2026, 10, 22) }
  const lines: string[] = []
  const logger = createLogger({ role: 'vault', level: 'debug', stream: { write: (line) => lines.push(line) } })
  const store = openSqliteStore({ file: join(folder, 'v.sqlite'), nowMs: () => clock.nowMs })
  const signer = openSigningKey({ file: join(folder, 'key'), mayMake: true, logger })
  const file = join(folder, 'checkpoint')
  const nowMs = () => clock.nowMs
  const checkpoints = new AuditCheckpoints({ store, signer, file, nowMs, logger, lookEveryMs: 5, ...options })
  t.teardown(() => store.close())
  return { store, signer, file, clock, checkpoints, lines }
}

/** Looks until there are so many checkpoints. */
async function untilCheckpoints(store: Store, count: number): Promise<readonly AuditRecord[]> {
  for (;;) {
    const records = (await store.auditAfter(0, 1_000)).filter(({ action }) => action === 'checkpoint')
    if (records.length >= count) return records
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

t.test('there is one after so many records, after so long, and at the close', async (t) => {
  const { store, clock, checkpoints, signer, file } = setUp(t, { recordsBetween: 3, msBetween: 60_000 })
  for (let count = 0; count < 3; count += 1) await store.append(ENTRY)
  const [first] = await untilCheckpoints(store, 1)
  t.match(checkpointHead(first?.resource ?? '', signer.publicKey), { sequence: 3 })
  await store.append(ENTRY)
  clock.nowMs += 60_000
  await untilCheckpoints(store, 2)
  clock.nowMs += 60_000
  await store.append(ENTRY)
  await Promise.all([checkpoints.close(), checkpoints.close()])
  const all = await untilCheckpoints(store, 3)
  t.equal(all.at(-1)?.sequence, (await store.auditHead()).sequence)
  t.equal(readFileSync(file, 'utf8'), `${all.at(-1)?.resource ?? ''}\n`)
})

t.test('where nothing happened nothing is signed, and a failure is told and not the end', async (t) => {
  const { store, checkpoints, file, lines } = setUp(t)
  await checkpoints.sign()
  t.equal((await store.auditHead()).sequence, 0)
  await store.append(ENTRY)
  mkdirSync(`${file}.new`)
  await checkpoints.sign()
  t.match(lines.join(''), 'could not be signed')
  t.equal((await store.auditHead()).sequence, 2, 'the chain has it all the same')
  await checkpoints.sign()
  t.equal((await store.auditHead()).sequence, 2)
  await checkpoints.close()
})
