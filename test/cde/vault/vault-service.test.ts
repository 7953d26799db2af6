import t from 'tap'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { parseVaultReply, parseVaultRequest, type TokenizeRequest } from '../../../src/cde/vault-protocol.ts'
import { verifyAudit } from '../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../src/cde/vault/audit-tail.ts'
import { openVault } from '../../../src/cde/vault/vault.ts'
import { ROLES } from '../../../src/kit/identity.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { testCard } from '../../fakes/test-card.ts'
import { GUARD, newKey, openTestVault, tokenOf } from './open-test-vault.ts'
import { alter, failureCode } from './test-store.ts'

const REQUEST: TokenizeRequest = { type: 'tokenize', merchant: 'shop', windowId: 'w1', idempotencyKey: 'window-1-card' }

t.test('the body is overwritten, whatever the answer', async (t) => {
  const vault = await openTestVault(t.testdir())
  const requests = [
    [REQUEST, GUARD],
    [{ ...REQUEST, merchant: 'nobody' }, GUARD],
    [REQUEST, { role: 'desk', origin: 'desk.test' }],
    [{ type: 'malformed' }, GUARD],
  ] as const
  for (const [request, peer] of requests) {
    const body = composeCardBody(testCard())
    await vault.service.handle(request, body, peer)
    t.ok(body.every((byte) => byte === 0))
  }
  await vault.close()
  const body = composeCardBody(testCard())
  t.same(await vault.service.handle(REQUEST, body, GUARD), { type: 'refused', code: 'closing' })
  t.ok(body.every((byte) => byte === 0))
})

t.test('only the guard is answered, and every refusal is written down with who asked', async (t) => {
  const vault = await openTestVault(t.testdir())
  for (const role of ROLES) {
    const reply = await vault.service.handle(REQUEST, composeCardBody(testCard()), { role, origin: `${role}.test` })
    if (role === 'guard') t.match(reply, { type: 'tokenized' })
    else t.same(reply, { type: 'refused', code: 'role_not_allowed' })
  }
  const refused = (await vault.store.auditAfter(0, 100)).filter(({ outcome }) => outcome === 'role_not_allowed')
  t.same(
    refused.map(({ role, origin }) => [role, origin]),
    ROLES.filter((role) => role !== 'guard').map((role) => [role, `${role}.test`]),
  )
  t.match(refused[0], { action: 'tokenize', merchant: 'shop', windowId: 'w1' })
  await vault.close()
})

t.test('a card that is not good is refused by its code, counted and written down', async (t) => {
  const vault = await openTestVault(t.testdir())
  t.same(await vault.tokenize(testCard({ pan: '4111111111111112' })), { type: 'refused', code: 'check_digit_failed' })
  t.same(await vault.tokenize(testCard({ pan: '4111' })), { type: 'refused', code: 'pan_length' })
  t.same(await vault.tokenize(testCard({ expiry: '0120' })), { type: 'refused', code: 'expired' })
  t.same(await vault.tokenize(testCard(), { merchant: 'nobody' }), { type: 'refused', code: 'unknown_merchant' })
  t.same(await vault.service.handle(REQUEST, Buffer.from('4111111111111111'), GUARD), {
    type: 'refused',
    code: 'malformed',
  })
  const outcomes = (await vault.store.auditAfter(0, 100))
    .map(({ outcome }) => outcome)
    .filter((outcome) => outcome !== 'done')
  t.same(outcomes, ['check_digit_failed', 'pan_length', 'expired', 'unknown_merchant', 'malformed'])
  const text = await vault.metrics.registry.metrics()
  t.match(text, 'tonewall_vault_tokenize_total{outcome="refused",role="vault"} 4')
  t.match(text, 'tonewall_vault_refused_total{code="check_digit_failed",role="vault"} 1')
  await vault.close()
})

t.test('guards act for merchants that are named, and what they may not is refused and written down', async (t) => {
  const vault = await openTestVault(t.testdir(), {
    merchants: [{ name: 'shop' }, { name: 'hotel' }, { name: 'bank' }],
    guardMerchants: ['shop', 'hotel', 'nobody'],
  })
  const hotel = tokenOf(await vault.tokenize(testCard(), { merchant: 'hotel' }))
  t.not(tokenOf(await vault.tokenize(testCard())), hotel, 'the same card is another token of another merchant')
  const charge = { type: 'authorize', windowId: 'w1', token: hotel, amountMinor: 1, currency: 'EUR' } as const
  const opening = {
    type: 'report',
    event: 'window_opened',
    cause: 'capture',
    windowId: 'w1',
    instance: 'guard-1',
    occurredMs: Date.now(),
  } as const
  t.same(await vault.service.handle({ ...opening, merchant: 'hotel' }, Buffer.alloc(0), GUARD), { type: 'recorded' })
  for (const merchant of ['bank', 'nobody', 'never-heard-of']) {
    const refused = { type: 'refused', code: 'unknown_merchant' }
    t.same(await vault.tokenize(testCard(), { merchant }), refused)
    const idempotencyKey = newKey()
    t.same(await vault.service.handle({ ...charge, merchant, idempotencyKey }, Buffer.alloc(0), GUARD), refused)
    t.same(
      await vault.service.handle({ ...opening, merchant }, Buffer.alloc(0), GUARD),
      refused,
      'no key is taken then',
    )
    const failed = { ...opening, event: 'masking_failed', cause: 'tone', merchant } as const
    t.same(await vault.service.handle(failed, Buffer.alloc(0), GUARD), { type: 'recorded' }, 'nobody loses an alarm')
  }
  const acts = (await vault.store.auditAfter(0, 100)).filter(
    ({ merchant, role }) => merchant === 'bank' && role === 'guard',
  )
  t.same(
    acts.map(({ action, outcome }) => [action, outcome].join(' ')),
    ['tokenize unknown_merchant', 'authorize unknown_merchant', 'report unknown_merchant', 'masking_failed tone'],
  )
  t.equal(await vault.store.card({ merchant: 'bank', token: hotel }), null)
  await vault.close()
  t.same(parseVaultRequest({ ...REQUEST, merchant: 'shop-4111111111111111' }), null, 'no name holds a card number')
})

t.test('a vault that was not told lets guards act for its first merchant alone', async (t) => {
  const { logger, metrics } = {
    logger: createLogger({ role: 'vault', level: 'silent' }),
    metrics: new Metrics('vault'),
  }
  const merchants = [{ name: 'shop' }, { name: 'other' }]
  const vault = await openVault({ dataDir: t.testdir(), merchants, logger, metrics })
  const ask = (merchant: string) =>
    vault.service.handle({ ...REQUEST, merchant, idempotencyKey: newKey() }, composeCardBody(testCard()), GUARD)
  t.match(await ask('shop'), { type: 'tokenized' })
  t.same(await ask('other'), { type: 'refused', code: 'unknown_merchant' })
  await vault.close()
})

t.test('digits beside an authorization are refused', async (t) => {
  const vault = await openTestVault(t.testdir())
  const request = {
    ...REQUEST,
    type: 'authorize',
    token: 'tok_abcdefghijklmnopqrst1_1111',
    amountMinor: 1,
    currency: 'EUR',
  } as const
  t.same(await vault.service.handle(request, Buffer.from([1]), GUARD), { type: 'refused', code: 'malformed' })
  await vault.close()
})

t.test('tokens are counted and timed', async (t) => {
  const vault = await openTestVault(t.testdir())
  await vault.tokenize(testCard())
  await vault.tokenize(testCard(), { idempotencyKey: 'window-2-card' })
  await vault.tokenize(testCard(), { idempotencyKey: 'window-2-card' })
  const text = await vault.metrics.registry.metrics()
  for (const outcome of ['created', 'known', 'repeated'])
    t.match(text, `tonewall_vault_tokenize_total{outcome="${outcome}",role="vault"} 1`)
  t.match(text, 'tonewall_vault_tokenize_seconds_count{role="vault"} 3')
  await vault.close()
})

t.test('when nothing can be written down, nothing is acknowledged', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  await vault.tokenize(testCard())
  await alter(folder, 'ALTER TABLE audit RENAME TO elsewhere')
  t.same(await vault.tokenize(testCard()), { type: 'refused', code: 'store_failed' })
  t.same(await vault.tokenize(testCard({ pan: '4' })), { type: 'refused', code: 'store_failed' })
  t.match(vault.lines.join(''), `"errorCode":"${failureCode('no_such_table')}"`)
  await alter(folder, 'ALTER TABLE elsewhere RENAME TO audit')
  t.match(await vault.tokenize(testCard()), { type: 'tokenized' })
  await vault.close()
})

t.test('a key that does not open any more is told as such', async (t) => {
  const folder = t.testdir()
  const vault = await openTestVault(folder)
  await vault.tokenize(testCard())
  await vault.keyRing.rotateSealingKey('shop')
  vault.keyRing.close()
  t.same(await vault.tokenize(testCard()), { type: 'refused', code: 'key_failed' })
  t.match(await vault.metrics.registry.metrics(), 'tonewall_vault_refused_total{code="key_failed",role="vault"} 1')
  await vault.close()
})

t.test('whatever request and body come, the answer is a reply and the vault goes on', async (t) => {
  const vault = await openTestVault(t.testdir())
  const random = seededRandom(11)
  const good = composeCardBody(testCard({ cardCode: '123' }))
  let tokenized = 0
  const ask = async (round: number): Promise<void> => {
    const body = Buffer.from(good)
    for (let change = random.below(3); change > 0; change -= 1) body[random.below(body.length)] = random.below(12)
    const value = {
      ...REQUEST,
      idempotencyKey: `fuzz-${round}-key`,
      ...(random.below(4) === 0 ? { merchant: random.below(9) } : {}),
    }
    const reply = await vault.service.handle(parseVaultRequest(value) ?? { type: 'malformed' }, body, GUARD)
    if (parseVaultReply(reply) === null) t.fail('not a reply')
    if (reply.type === 'tokenized') tokenized += 1
  }
  for (let round = 0; round < 1_500; round += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, index) => ask(round + index)))
  }
  t.ok(tokenized > 300 && tokenized < 1_200)
  await vault.close()
})

t.test(
  'a guard’s report of a failed control is written into the chain before it is answered, and of nobody else',
  async (t) => {
    const vault = await openTestVault(t.testdir())
    const report = {
      type: 'report',
      event: 'masking_failed',
      cause: 'repeated',
      merchant: 'shop',
      windowId: 'abcdefghijklmnop',
      instance: 'guard-1',
      occurredMs: Date.UTC(2026, 10, 22, 5, 0, 0),
    } as const
    t.same(await vault.service.handle(report, Buffer.alloc(0), GUARD), { type: 'recorded' })
    for (const role of ROLES.filter((name) => name !== 'guard')) {
      const reply = await vault.service.handle(report, Buffer.alloc(0), { role, origin: 'test' })
      t.same(reply, { type: 'refused', code: 'role_not_allowed' })
    }
    t.same(await vault.service.handle(report, Buffer.from('4111111111111111'), GUARD), {
      type: 'refused',
      code: 'malformed',
    })
    const written = (await vault.store.auditAfter(0, 100)).filter(({ action }) => action === 'masking_failed')
    t.match(written, [
      {
        role: 'guard',
        outcome: 'repeated',
        merchant: 'shop',
        windowId: 'abcdefghijklmnop',
        resource: 'guard-1 2026-11-22T05:00:00.000Z',
      },
    ])
    t.equal(written.length, 1)
    t.match(await verifyAudit(auditRecords(vault.store)), { kind: 'intact' })
    await vault.close()
  },
)
