import t from 'tap'
import { verifyAudit, type AuditEntry } from '../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../src/cde/vault/audit-tail.ts'
import type { ChargeStep, KeyRow, Store, TokenizeStep } from '../../../src/cde/vault/store.ts'
import { alter, failureCode, openStoreIn, tamper } from './test-store.ts'

const ENTRY: AuditEntry = {
  role: 'guard',
  action: 'tokenize',
  outcome: 'done',
  origin: 'guard.test',
  merchant: 'shop',
  resource: '',
  windowId: 'w1',
}
const KEY: KeyRow = {
  keyId: 'key_a',
  merchant: 'shop',
  purpose: 'card',
  kekId: 'kek',
  wrapped: Buffer.alloc(61, 1),
  createdAtMs: 1,
}
const TOKEN = 'tok_abcdefghijklmnopqrst1_1111'

function openIn(folder: string, clock = { nowMs: 1_000 }): Promise<Store> {
  return openStoreIn(folder, () => clock.nowMs)
}

function step(change: Partial<TokenizeStep> = {}): TokenizeStep {
  return {
    merchant: 'shop',
    fingerprint: Buffer.alloc(32, 1),
    idempotencyKey: 'request-1',
    token: TOKEN,
    lastFour: '1111',
    brand: 'visa',
    keyId: 'key_a',
    seal: (token) => Buffer.from(`sealed for ${token}`),
    replaceKnown: true,
    audit: ({ outcome, token }) => ({ ...ENTRY, outcome, resource: token }),
    ...change,
  }
}

function charge(change: Partial<ChargeStep> = {}): ChargeStep {
  return {
    merchant: 'shop',
    idempotencyKey: 'charge-1',
    token: TOKEN,
    digest: Buffer.alloc(32, 5),
    audit: (outcome) => ({ ...ENTRY, action: 'authorize', outcome }),
    ...change,
  }
}

t.test('a card is created once, known afterwards, and repeated for the same key', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  const face = { token: TOKEN, lastFour: '1111', brand: 'visa' }
  t.same(await store.tokenize(step()), { kind: 'created', ...face })
  t.same(await store.tokenize(step({ token: 'tok_z' })), { kind: 'repeated', ...face })
  t.same(await store.tokenize(step({ token: 'tok_z', idempotencyKey: 'request-2' })), { kind: 'known', ...face })
  t.same(await store.tokenize(step({ fingerprint: Buffer.alloc(32, 2) })), { kind: 'conflict' })
  t.match(await store.card({ merchant: 'shop', token: TOKEN }), { ...face, keyId: 'key_a' })
  t.equal(await store.card({ merchant: 'other', token: TOKEN }), null)
  const outcomes = (await store.auditAfter(1, 10)).map(({ outcome, resource }) => [outcome, resource])
  t.same(outcomes, [
    ['done', TOKEN],
    ['repeated', TOKEN],
    ['done', TOKEN],
    ['idempotency_conflict', ''],
  ])
  await store.close()
})

t.test('the same card in one turn, twice, is one card', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  const results = await Promise.all([
    store.tokenize(step({ token: 'tok_a' })),
    store.tokenize(step({ token: 'tok_b', idempotencyKey: 'request-2' })),
  ])
  t.match(results, [
    { kind: 'created', token: 'tok_a' },
    { kind: 'known', token: 'tok_a' },
  ])
  await store.close()
})

t.test('a known card is sealed anew for its own token, or left alone', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  await store.tokenize(step())
  const sealed = async () =>
    Buffer.from((await store.card({ merchant: 'shop', token: TOKEN }))?.sealed ?? []).toString()
  const again = { token: 'tok_z', seal: (token: string) => Buffer.from(`again for ${token}`) }
  await store.tokenize(step({ ...again, idempotencyKey: 'request-2', replaceKnown: false }))
  t.equal(await sealed(), `sealed for ${TOKEN}`)
  await store.tokenize(step({ ...again, idempotencyKey: 'request-3' }))
  t.equal(await sealed(), `again for ${TOKEN}`)
  await store.close()
})

t.test('a step that fails leaves neither card nor audit record', async (t) => {
  const store = await openIn(t.testdir())
  await t.rejects(store.tokenize(step()), { code: failureCode('foreign_key') }, 'its key is unknown')
  t.equal((await store.auditHead()).sequence, 0)
  t.equal(await store.card({ merchant: 'shop', token: TOKEN }), null)
  await store.close()
})

t.test('the first key of a merchant wins, and a rotation retires it', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  t.match(await store.addKey({ ...KEY, keyId: 'key_b' }, ENTRY), { keyId: 'key_a' })
  t.equal((await store.auditHead()).sequence, 1)
  await store.rotateKey({ ...KEY, keyId: 'key_c' }, ENTRY)
  t.match(await store.activeKey('shop', 'card'), { keyId: 'key_c' })
  t.match(await store.keyById('key_a'), { ...KEY, wrapped: Uint8Array })
  t.equal(await store.activeKey('shop', 'fingerprint'), null)
  await store.close()
})

t.test('a charge is begun, begun again while nothing is known, and finished once', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  t.same(await store.beginCharge(charge()), { kind: 'refused', code: 'unknown_token' })
  await store.tokenize(step())
  t.match(await store.beginCharge(charge()), { kind: 'begun', card: { token: TOKEN } })
  t.match(await store.beginCharge(charge()), { kind: 'begun' })
  t.match(await store.beginCharge(charge({ digest: Buffer.alloc(32, 6) })), { code: 'idempotency_conflict' })
  t.match(await store.beginCharge(charge({ merchant: 'other' })), { code: 'unknown_token' })
  const outcome = { type: 'approved', approvalCode: 'OK1' } as const
  await store.finishCharge({ merchant: 'shop', idempotencyKey: 'charge-1', outcome, audit: ENTRY })
  t.same(await store.beginCharge(charge()), { kind: 'finished', outcome })
  const declined = { type: 'declined', declineCode: '05' } as const
  await store.beginCharge(charge({ idempotencyKey: 'charge-2' }))
  await store.finishCharge({ merchant: 'shop', idempotencyKey: 'charge-2', outcome: declined, audit: ENTRY })
  t.same(await store.beginCharge(charge({ idempotencyKey: 'charge-2' })), { kind: 'finished', outcome: declined })
  await store.close()
})

t.test('answers to old idempotency keys are forgotten, a limited number at a time', async (t) => {
  const clock = { nowMs: 1_000 }
  const store = await openIn(t.testdir(), clock)
  await store.addKey(KEY, ENTRY)
  for (let index = 0; index < 5; index += 1) {
    clock.nowMs = 1_000 + index
    await store.tokenize(step({ idempotencyKey: `request-${index}` }))
  }
  t.equal(await store.forgetRequests({ createdBeforeMs: 1_004, limit: 3 }), 3)
  t.equal(await store.forgetRequests({ createdBeforeMs: 1_004, limit: 3 }), 1)
  t.equal(await store.forgetRequests({ createdBeforeMs: 1_004, limit: 3 }), 0)
  t.match(await store.tokenize(step({ idempotencyKey: 'request-4' })), { kind: 'repeated' })
  await store.close()
})

t.test('two stores on one database make one chain, and what was tampered with is found', async (t) => {
  const folder = t.testdir()
  const [one, other] = [await openIn(folder), await openIn(folder)]
  for (let index = 0; index < 10; index += 1)
    await (index % 2 === 0 ? one : other).append({ ...ENTRY, windowId: `w${index}` })
  t.match(await verifyAudit(auditRecords(one)), { kind: 'intact', head: { sequence: 10 } })
  await other.close()
  await t.rejects(alter(folder, "UPDATE audit SET window_id = 'x' WHERE sequence = 4"), { message: /append-only/ })
  await t.rejects(alter(folder, 'DELETE FROM audit WHERE sequence = 4'), { message: /append-only/ })
  await tamper(folder, "UPDATE audit SET window_id = 'x' WHERE sequence = 4")
  t.same(await verifyAudit(auditRecords(one)), { kind: 'broken', sequence: 4, code: 'changed' })
  await tamper(folder, 'DELETE FROM audit WHERE sequence = 4')
  t.same(await verifyAudit(auditRecords(one)), { kind: 'broken', sequence: 4, code: 'missing' })
  await one.close()
})

t.test('a store that is closed rejects, and closing twice is once', async (t) => {
  const store = await openIn(t.testdir())
  await store.append(ENTRY)
  await store.close()
  await store.close()
  await t.rejects(store.append(ENTRY), { name: 'StoreFailure' })
  await t.rejects(store.keyById('key_a'), { name: 'StoreFailure' })
})

t.test('a step that cannot seal fails alone, and the others of its transaction are kept in one chain', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  const number = (index: number): Buffer => Buffer.alloc(32, index)
  const broken = (): Uint8Array => {
    throw new Error('no key')
  }
  const results = await Promise.allSettled([
    store.tokenize(step({ fingerprint: number(1), token: 'tok_a', idempotencyKey: 'request-a' })),
    store.tokenize(step({ fingerprint: number(2), token: 'tok_b', idempotencyKey: 'request-b', seal: broken })),
    store.tokenize(step({ fingerprint: number(3), token: 'tok_c', idempotencyKey: 'request-c', keyId: 'nowhere' })),
    store.tokenize(step({ fingerprint: number(4), token: 'tok_d', idempotencyKey: 'request-d' })),
  ])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  t.match(results[1], { reason: { name: 'StoreFailure', code: 'UNEXPECTED' } })
  t.match(results[2], { reason: { name: 'StoreFailure', code: failureCode('foreign_key') } })
  t.match(await verifyAudit(auditRecords(store)), { kind: 'intact', head: { sequence: 3 } })
  t.match(await store.tokenize(step({ fingerprint: number(2), token: 'tok_b', idempotencyKey: 'request-b' })), {
    kind: 'created',
  })
  await store.close()
})

t.test('what is no letter of ours is kept as it is: values never reach the text of a statement', async (t) => {
  const store = await openIn(t.testdir())
  const odd = `'; DROP TABLE audit; -- {"a",\\,NULL} "\u00e9\u20ac`
  await store.append({ ...ENTRY, origin: odd, windowId: 'NULL' })
  t.match(await store.auditAfter(0, 10), [{ origin: odd, windowId: 'NULL' }])
  t.match(await verifyAudit(auditRecords(store)), { kind: 'intact', head: { sequence: 1 } })
  await store.close()
})
