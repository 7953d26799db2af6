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
  fingerprintKeyId: '',
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
    formerFingerprints: [],
    idempotencyKey: 'request-1',
    tokens: [TOKEN],
    reuse: 'reusable',
    endsAtMs: 0,
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
  t.same(await store.tokenize(step({ tokens: ['tok_z'] })), { kind: 'repeated', ...face })
  t.same(await store.tokenize(step({ tokens: ['tok_z'], idempotencyKey: 'request-2' })), { kind: 'known', ...face })
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
    store.tokenize(step({ tokens: ['tok_a'] })),
    store.tokenize(step({ tokens: ['tok_b'], idempotencyKey: 'request-2' })),
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
  const again = { tokens: ['tok_z'], seal: (token: string) => Buffer.from(`again for ${token}`) }
  await store.tokenize(step({ ...again, idempotencyKey: 'request-2', replaceKnown: false }))
  t.equal(await sealed(), `sealed for ${TOKEN}`)
  await store.tokenize(step({ ...again, idempotencyKey: 'request-3' }))
  t.equal(await sealed(), `again for ${TOKEN}`)
  await store.close()
})

t.test('a step that fails leaves neither card nor audit record', async (t) => {
  const store = await openIn(t.testdir())
  t.same(await store.tokenize(step()), { kind: 'key_changed' }, 'its key is unknown')
  await store.addKey(KEY, ENTRY)
  await t.rejects(store.tokenize(step({ fingerprint: Buffer.alloc(3) })), { code: failureCode('check') })
  t.equal((await store.auditHead()).sequence, 1)
  t.equal(await store.card({ merchant: 'shop', token: TOKEN }), null)
  await store.close()
})

t.test('the first key of a merchant wins, and a rotation retires it', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  t.match(await store.addKey({ ...KEY, keyId: 'key_b' }, ENTRY), { keyId: 'key_a' })
  t.equal((await store.auditHead()).sequence, 1)
  const rotation = { row: { ...KEY, keyId: 'key_c' }, before: 'key_a', audit: [ENTRY] }
  t.match(await store.rotateKey(rotation), { keyId: 'key_c' })
  t.match(await store.rotateKey({ ...rotation, row: { ...KEY, keyId: 'key_d' } }), { keyId: 'key_c' }, 'too late')
  t.match(await store.activeKey('shop', 'card'), { keyId: 'key_c' })
  t.match(await store.keyById('key_a'), { ...KEY, wrapped: Uint8Array })
  t.equal(await store.activeKey('shop', 'fingerprint'), null)
  t.match(await store.keys(), [
    { keyId: 'key_a', state: 'retired', retiredAtMs: 1_000, shreddedAtMs: 0 },
    { keyId: 'key_c', state: 'active', retiredAtMs: 0 },
  ])
  t.equal((await store.auditHead()).sequence, 2)
  await store.close()
})

t.test(
  'a shredded key is gone with its cards, and a card that is seen again is sealed anew under its own token',
  async (t) => {
    const folder = t.testdir()
    const store = await openIn(folder)
    await store.addKey(KEY, ENTRY)
    await store.tokenize(step())
    await store.shredKeys({ keys: [KEY], audit: [{ ...ENTRY, action: 'key_shred', resource: 'key_a' }] })
    t.match(await store.keys(), [{ keyId: 'key_a', state: 'shredded', retiredAtMs: 1_000, shreddedAtMs: 1_000 }])
    t.equal((await store.keyById('key_a'))?.wrapped.length, 0)
    t.equal(await store.activeKey('shop', 'card'), null)
    t.match(await store.card({ merchant: 'shop', token: TOKEN }), { isShredded: true })
    t.same(await store.beginCharge(charge()), { kind: 'refused', code: 'card_shredded' })
    t.same(await store.tokenize(step({ idempotencyKey: 'request-2' })), { kind: 'key_changed' })
    await store.rewrapKey({ row: { ...KEY, kekId: 'kek-2', wrapped: Buffer.alloc(61, 2) }, audit: ENTRY })
    t.equal((await store.keyById('key_a'))?.wrapped.length, 0, 'what is shredded is not written again')

    await store.addKey({ ...KEY, keyId: 'key_b' }, ENTRY)
    const again = step({ keyId: 'key_b', idempotencyKey: 'request-2', tokens: ['tok_z'], replaceKnown: false })
    t.match(await store.tokenize(again), { kind: 'known', token: TOKEN })
    t.match(await store.card({ merchant: 'shop', token: TOKEN }), { isShredded: false, keyId: 'key_b' })
    await store.close()
  },
)

t.test('cards are counted, read page by page, and kept under another key unless somebody was faster', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  for (const name of ['c', 'a', 'b']) {
    const fingerprint = Buffer.alloc(32, name)
    await store.tokenize(step({ fingerprint, tokens: [`tok_${name}`], idempotencyKey: `request-${name}` }))
  }
  t.equal(await store.countCards('key_a'), 3)
  const page = await store.cardsUnder({ keyId: 'key_a', after: '', limit: 2 })
  t.match(page, [{ token: 'tok_a' }, { token: 'tok_b' }])
  t.match(await store.cardsUnder({ keyId: 'key_a', after: 'tok_b', limit: 2 }), [{ token: 'tok_c' }])
  await store.rotateKey({ row: { ...KEY, keyId: 'key_b' }, before: 'key_a', audit: [ENTRY] })
  const faster = { fingerprint: Buffer.alloc(32, 'b'), idempotencyKey: 'request-2', keyId: 'key_b' }
  await store.tokenize(step({ ...faster, seal: () => Buffer.from('faster') }))
  const resealed = page.map((before) => {
    return { before, keyId: 'key_b', sealed: Buffer.from('resealed'), fingerprint: Buffer.alloc(32, before.token) }
  })
  t.equal(await store.resealCards(resealed), 1)
  t.equal(await store.resealCards(resealed), 0, 'and not twice')
  const sealedOf = async (token: string) => Buffer.from((await store.card({ merchant: 'shop', token }))?.sealed ?? [])
  t.equal((await sealedOf('tok_a')).toString(), 'resealed')
  t.equal((await sealedOf('tok_b')).toString(), 'faster')
  t.same([await store.countCards('key_a'), await store.countCards('key_b')], [1, 2])
  await store.close()
})

t.test('a card is known, and a request repeated, by a former fingerprint, until the card is sealed anew', async (t) => {
  const store = await openIn(t.testdir())
  const recognizing: KeyRow = { ...KEY, keyId: 'key_f', purpose: 'fingerprint' }
  await store.addKey(recognizing, ENTRY)
  await t.rejects(store.addKey(KEY, ENTRY), { code: 'KEY_CHANGED' }, 'a key of cards names that of fingerprints')
  await store.addKey({ ...KEY, fingerprintKeyId: 'key_f' }, ENTRY)
  await store.tokenize(step())
  const fingerprint = { ...recognizing, keyId: 'key_g', createdAtMs: 2 }
  const rotation = { before: 'key_a', audit: [ENTRY, ENTRY] }
  const alone = { ...rotation, row: { ...KEY, keyId: 'key_b', fingerprintKeyId: 'key_g' } }
  await t.rejects(store.rotateKey(alone), { code: 'KEY_CHANGED' })
  await store.rotateKey({ ...alone, fingerprint })
  t.match(await store.readableKeys('shop', 'fingerprint'), [
    { keyId: 'key_g', state: 'active' },
    { keyId: 'key_f', state: 'retired' },
  ])
  const [now, former] = [Buffer.alloc(32, 2), Buffer.alloc(32, 1)]
  const later = { keyId: 'key_b', fingerprint: now, formerFingerprints: [former], tokens: ['tok_z'] }
  t.match(await store.tokenize(step(later)), { kind: 'repeated', token: TOKEN })
  const other = { ...later, formerFingerprints: [Buffer.alloc(32, 3)] }
  t.match(await store.tokenize(step(other)), { kind: 'conflict' })
  t.match(
    await Promise.all([
      store.tokenize(step({ ...later, idempotencyKey: 'request-2', replaceKnown: false })),
      store.tokenize(step({ ...later, idempotencyKey: 'request-3' })),
      store.tokenize(step({ ...later, idempotencyKey: 'request-4' })),
    ]),
    Array.from({ length: 3 }, () => ({ kind: 'known', token: TOKEN })),
  )
  const alike = step({ ...later, formerFingerprints: [], idempotencyKey: 'request-5' })
  t.match(await store.tokenize(alike), { kind: 'known', token: TOKEN }, 'from then on by the new one')
  t.equal(await store.oldestRequestMs(), 1_000)
  await store.forgetRequests({ createdBeforeMs: 2_000, limit: 10 })
  t.equal(await store.oldestRequestMs(), null)
  await store.close()
})

t.test('a card that is moved while it is used stays used, and none moves to a key that is not today’s', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  await store.tokenize(step({ reuse: 'single' }))
  const page = await store.cardsUnder({ keyId: 'key_a', after: '', limit: 2 })
  const moved = (keyId: string) =>
    page.map((before) => ({ before, keyId, sealed: Buffer.from('moved'), fingerprint: Buffer.alloc(32, 9) }))
  await store.rotateKey({ row: { ...KEY, keyId: 'key_b' }, before: 'key_a', audit: [ENTRY] })
  const use = { merchant: 'shop', token: TOKEN, keptMs: 1_000, audit: () => ENTRY }
  t.match(await store.useToken({ ...use, claim: 'mine' }), { kind: 'opened' })
  t.equal(await store.resealCards(moved('key_a')), 0)
  t.equal(await store.resealCards(moved('key_b')), 1)
  t.match(await store.useToken({ ...use, claim: 'another’s' }), { kind: 'refused', code: 'token_gone' })
  t.match(await store.card({ merchant: 'shop', token: TOKEN }), { keyId: 'key_b', state: 'claimed', claim: 'mine' })
  await store.close()
})

t.test('a key is kept wrapped under another, and custodians are kept with their shares', async (t) => {
  const store = await openIn(t.testdir())
  await store.addKey(KEY, ENTRY)
  const row = { ...KEY, kekId: 'kek-2', wrapped: Buffer.alloc(61, 2) }
  await store.rewrapKey({ row, audit: ENTRY })
  const kept = await store.keyById('key_a')
  t.match(kept, { kekId: 'kek-2' })
  t.same(Buffer.from(kept?.wrapped ?? []), row.wrapped)
  t.same(await store.custodians(), [])
  const digest = Buffer.alloc(32, 7)
  const rows = [1, 2].map((share) => ({ kekId: 'kek-2', share, threshold: 2, digest, createdAtMs: 5 }))
  await store.addCustodians(rows, ENTRY)
  t.same(
    (await store.custodians()).map((custodian) => ({ ...custodian, digest: Buffer.from(custodian.digest) })),
    rows,
  )
  t.equal((await store.auditHead()).sequence, 3)
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
  await store.finishCharge({ merchant: 'shop', idempotencyKey: 'charge-1', token: TOKEN, outcome, audit: ENTRY })
  t.same(await store.beginCharge(charge()), { kind: 'finished', outcome })
  const declined = { type: 'declined', declineCode: '05' } as const
  await store.beginCharge(charge({ idempotencyKey: 'charge-2' }))
  await store.finishCharge({
    merchant: 'shop',
    idempotencyKey: 'charge-2',
    token: TOKEN,
    outcome: declined,
    audit: ENTRY,
  })
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
    store.tokenize(step({ fingerprint: number(1), tokens: ['tok_a'], idempotencyKey: 'request-a' })),
    store.tokenize(step({ fingerprint: number(2), tokens: ['tok_b'], idempotencyKey: 'request-b', seal: broken })),
    store.tokenize(step({ fingerprint: Buffer.alloc(3), tokens: ['tok_c'], idempotencyKey: 'request-c' })),
    store.tokenize(step({ fingerprint: number(4), tokens: ['tok_d'], idempotencyKey: 'request-d' })),
  ])
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  )
  t.match(results[1], { reason: { name: 'StoreFailure', code: 'UNEXPECTED' } })
  t.match(results[2], { reason: { name: 'StoreFailure', code: failureCode('check') } })
  t.match(await verifyAudit(auditRecords(store)), { kind: 'intact', head: { sequence: 3 } })
  t.match(await store.tokenize(step({ fingerprint: number(2), tokens: ['tok_b'], idempotencyKey: 'request-b' })), {
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
