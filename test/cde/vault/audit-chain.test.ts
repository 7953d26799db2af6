import t from 'tap'
import {
  AUDIT_GENESIS,
  chained,
  verifyAudit,
  type AuditEntry,
  type AuditRecord,
} from '../../../src/cde/vault/audit-chain.ts'

const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: 'tok_a',
  windowId: 'w1',
}

function chain(count: number): AuditRecord[] {
  const records: AuditRecord[] = []
  for (let index = 0; index < count; index += 1) {
    records.push(chained({ ...ENTRY, windowId: `w${index}` }, records.at(-1) ?? AUDIT_GENESIS, 1_000 * index))
  }
  return records
}

t.test('an unchanged chain is intact and tells its head', async (t) => {
  const records = chain(20)
  t.match(await verifyAudit(records), { kind: 'intact', head: { sequence: 20 } })
  t.match(await verifyAudit([]), { kind: 'intact', head: AUDIT_GENESIS })
  t.match(await verifyAudit(records.slice(5), { from: records[4] ?? AUDIT_GENESIS }), { kind: 'intact' })
  t.equal(records[1]?.at, '1970-01-01T00:00:01.000Z')
})

t.test('a change in any field is found', async (t) => {
  for (const change of [
    { at: '1970-01-01T00:00:09.000Z' },
    { role: 'desk' },
    { action: 'authorize' },
    { outcome: 'repeated' },
    { origin: 'x' },
    { merchant: 'other' },
    { resource: 'tok_b' },
    { windowId: 'w' },
    { hash: Buffer.alloc(32) },
  ]) {
    const records = chain(5)
    Object.assign(records[2] ?? {}, change)
    t.same(await verifyAudit(records), { kind: 'broken', sequence: 3, code: 'changed' })
  }
})

t.test('a record that is missing or out of place is found', async (t) => {
  t.same(await verifyAudit(chain(9).toSpliced(4, 1)), { kind: 'broken', sequence: 5, code: 'missing' })
  const [first, second, ...rest] = chain(5)
  t.same(await verifyAudit([second, first, ...rest].filter((record) => record !== undefined)), {
    kind: 'broken',
    sequence: 1,
    code: 'missing',
  })
})

t.test('a record that is renumbered into the gap is found', async (t) => {
  const records = chain(5)
    .toSpliced(2, 1)
    .map((record, index) => ({ ...record, sequence: index + 1 }))
  t.same(await verifyAudit(records), { kind: 'broken', sequence: 3, code: 'changed' })
})

t.test('a cut end is found by a head that was kept elsewhere, and so is a chain made anew', async (t) => {
  const records = chain(8)
  const headExpected = records.at(-1) ?? AUDIT_GENESIS
  t.match(await verifyAudit(records, { headExpected }), { kind: 'intact' })
  t.same(await verifyAudit(records.slice(0, 6), { headExpected }), { kind: 'broken', sequence: 7, code: 'cut' })
  const forged = chain(9).map((record) => ({ ...record }))
  const other = chained({ ...ENTRY, resource: 'tok_z' }, forged[6] ?? AUDIT_GENESIS, 5)
  t.same(await verifyAudit([...forged.slice(0, 7), other], { headExpected }), {
    kind: 'broken',
    sequence: 8,
    code: 'changed',
  })
})
