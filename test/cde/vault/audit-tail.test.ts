import t from 'tap'
import type { AuditEntry } from '../../../src/cde/vault/audit-chain.ts'
import { auditRecords, auditTail } from '../../../src/cde/vault/audit-tail.ts'
import { openStoreIn, tamper } from './test-store.ts'

const ENTRY: AuditEntry = {
  role: 'vault',
  action: 'vault_start',
  outcome: 'done',
  origin: 'local',
  merchant: '',
  resource: '',
  windowId: '',
}

t.test('the newest records are checked, whatever the length of the chain', async (t) => {
  const folder = t.testdir()
  const store = await openStoreIn(folder)
  t.match(await auditTail(store), { kind: 'intact', head: { sequence: 0 } })
  await store.append(ENTRY)
  t.match(await auditTail(store), { kind: 'intact', head: { sequence: 1 } })
  await Promise.all(Array.from({ length: 1_500 }, () => store.append(ENTRY)))
  t.match(await auditTail(store), { kind: 'intact', head: { sequence: 1_501 } })
  let read = 0
  for await (const record of auditRecords(store)) read = record.sequence
  t.equal(read, 1_501)

  await tamper(folder, "UPDATE audit SET outcome = 'x' WHERE sequence = 1400")
  t.same(await auditTail(store), { kind: 'broken', sequence: 1_400, code: 'changed' })
  await tamper(folder, 'DELETE FROM audit WHERE sequence = 501')
  t.same(await auditTail(store), { kind: 'broken', sequence: 501, code: 'missing' })
  await store.close()
})
