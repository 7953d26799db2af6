import t from 'tap'
import type { AuthorizeRequest, VaultReply } from '../../../src/cde/vault-protocol.ts'
import type { TokenOptions } from '../../../src/cde/vault/token-options.ts'
import { TOKEN_PATTERN } from '../../../src/cde/vault/token.ts'
import { Acquirer, json } from '../../fakes/acquirer.ts'
import { testCard, TEST_PANS } from '../../fakes/test-card.ts'
import { GUARD, newKey, openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'

const acquirer = await Acquirer.start()
t.teardown(() => acquirer.close())
t.beforeEach(() => {
  acquirer.orders.length = 0
  acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: 'A1B2C3' })
})

function open(folder: string, tokens: Partial<TokenOptions>, clock?: { nowMs: number }): Promise<TestVault> {
  const connector = { url: acquirer.url, authority: acquirer.authority, deadlineMs: 2_000 }
  return openTestVault(folder, {
    merchants: [
      { name: 'shop', connector, tokens },
      { name: 'other', connector },
    ],
    ...(clock === undefined ? {} : { nowMs: () => clock.nowMs }),
  })
}

function charge(vault: TestVault, token: string, idempotencyKey = newKey()): Promise<VaultReply> {
  const order = { merchant: 'shop', windowId: 'w1', token, amountMinor: 1250, currency: 'EUR', idempotencyKey }
  const request: AuthorizeRequest = { type: 'authorize', ...order }
  return vault.service.handle(request, Buffer.alloc(0), GUARD)
}

const use = (vault: TestVault, token: string, claim: string) =>
  vault.store.useToken({ merchant: 'shop', token, claim, keptMs: 60_000, audit: (outcome) => ({ ...USED, outcome }) })
const USED = { ...GUARD, action: 'detokenize', merchant: 'shop', resource: '', windowId: '' } as const
const GONE = { type: 'refused', code: 'token_gone' }

t.test('each time a card is given it gets another token of a single use, and a repetition gets the same', async (t) => {
  const vault = await open(t.testdir(), { reuse: 'single' })
  const key = newKey()
  const one = tokenOf(await vault.tokenize(testCard(), { idempotencyKey: key }))
  const other = tokenOf(await vault.tokenize(testCard()))
  t.not(other, one)
  t.equal(tokenOf(await vault.tokenize(testCard(), { idempotencyKey: key })), one)
  t.match(await vault.tokenize(testCard({ pan: TEST_PANS.jcb }), { idempotencyKey: key }), {
    code: 'idempotency_conflict',
  })
  await vault.close()
})

for (const outcome of [
  { outcome: 'approved', approvalCode: 'A1B2C3' },
  { outcome: 'declined', declineCode: '05' },
]) {
  t.test(`one charge ends a token of a single use, ${outcome.outcome}, and what was sealed is no more`, async (t) => {
    acquirer.answer = (_order, response) => json(response, outcome)
    const vault = await open(t.testdir(), { reuse: 'single' })
    const token = tokenOf(await vault.tokenize(testCard()))
    const key = newKey()
    const reply = await charge(vault, token, key)
    t.match(reply, { type: outcome.outcome })
    t.same(await charge(vault, token, key), reply, 'the same request still has its answer')
    t.same(await charge(vault, token), GONE)
    t.match(await use(vault, token, 'client-a key'), { kind: 'refused', code: 'token_gone' })
    t.match(await vault.store.card({ merchant: 'shop', token }), { state: 'gone', sealed: { length: 0 } })
    t.equal(acquirer.orders.length, 1)
    await vault.close()
  })
}

t.test('a use without an answer keeps a token of a single use for itself, and for nobody else', async (t) => {
  acquirer.answer = (_order, response) => response.destroy()
  const vault = await open(t.testdir(), { reuse: 'single' })
  const token = tokenOf(await vault.tokenize(testCard()))
  const key = newKey()
  t.match(await charge(vault, token, key), { code: 'acquirer_unavailable' })
  t.same(await charge(vault, token), GONE)
  acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: '7' })
  t.match(await charge(vault, token, key), { type: 'approved' })
  await vault.close()
})

t.test('of many uses at once one has the token', async (t) => {
  const vault = await open(t.testdir(), { reuse: 'single' })
  const token = tokenOf(await vault.tokenize(testCard()))
  const results = await Promise.all(['a', 'b', 'c', 'a'].map((claim) => use(vault, token, claim)))
  t.equal(results.filter(({ kind }) => kind === 'opened').length, 2, 'the first, and its repetition')
  await vault.close()
})

t.test(
  'a token is gone at the end of its time, and then what was sealed; given again, a card gets another',
  async (t) => {
    const clock = { nowMs: Date.UTC(2026, 0, 1) }
    const vault = await open(t.testdir(), { lifetimeMs: 1_000 }, clock)
    const token = tokenOf(await vault.tokenize(testCard({ expiry: '' })))
    clock.nowMs += 600
    t.equal(tokenOf(await vault.tokenize(testCard({ expiry: '' }))), token)
    clock.nowMs += 600
    t.match(await charge(vault, token), { type: 'approved' }, 'the card was given in between, so the time began anew')
    clock.nowMs += 400
    t.same(await charge(vault, token), GONE)
    const next = tokenOf(await vault.tokenize(testCard({ expiry: '' })))
    t.not(next, token)
    clock.nowMs += 5_000
    const audit = ({ token: ended }: { readonly token: string }) =>
      ({ ...USED, outcome: 'done', resource: ended }) as const
    const past = { nowMs: clock.nowMs, limit: 10, audit }
    t.same(
      (await vault.store.endTokensPastTime(past)).map((card) => card.token),
      [next],
    )
    t.same(await vault.store.endTokensPastTime(past), [])
    t.match(await vault.store.card({ merchant: 'shop', token: next }), { state: 'gone', sealed: { length: 0 } })
    await vault.close()
  },
)

t.test('a token that is deleted is gone for good, and whoever deleted it may say so again', async (t) => {
  const vault = await open(t.testdir(), {})
  const token = tokenOf(await vault.tokenize(testCard()))
  const end = (claim: string, merchant = 'shop') =>
    vault.store.endToken({ merchant, token, claim, audit: (outcome) => ({ ...USED, merchant, outcome }) })
  t.same(await end('a', 'other'), { kind: 'refused', code: 'unknown_token' })
  t.same(await end('a'), { kind: 'ended' })
  t.same(await end('a'), { kind: 'ended' })
  t.same(await end('b'), { kind: 'refused', code: 'token_gone' })
  t.not(tokenOf(await vault.tokenize(testCard())), token)
  await vault.close()
})

t.test('digits only: as long as the card, with its last four, and nobody’s before', async (t) => {
  const vault = await open(t.testdir(), { format: 'digits' })
  for (const pan of Object.values(TEST_PANS)) {
    const token = tokenOf(await vault.tokenize(testCard({ pan })))
    t.match(token, TOKEN_PATTERN)
    t.match(token, /^0\d+$/)
    t.equal(token.length, pan.length)
    t.equal(token.slice(-4), pan.slice(-4))
    t.equal(tokenOf(await vault.tokenize(testCard({ pan }))), token)
    t.match(await charge(vault, token), { type: 'approved' })
  }
  await vault.close()
})

t.test('a token that somebody has is passed over, also one of another merchant or one that is gone', async (t) => {
  const vault = await open(t.testdir(), {})
  const { keyId } = await vault.keyRing.sealingKey('shop')
  const step = (number: number, tokens: readonly string[]) =>
    vault.store.tokenize({
      merchant: 'shop',
      fingerprint: Buffer.alloc(32, number),
      formerFingerprints: [],
      idempotencyKey: newKey(),
      tokens,
      reuse: 'single',
      endsAtMs: 0,
      lastFour: '1111',
      brand: 'visa',
      keyId,
      seal: () => Buffer.alloc(54, 1),
      replaceKnown: true,
      audit: ({ outcome }) => ({ ...USED, outcome }),
    })
  const other = tokenOf(await vault.tokenize(testCard(), { merchant: 'other' }))
  t.match(await step(1, [other, '0000000000001111']), { token: '0000000000001111' })
  await vault.store.endToken({
    merchant: 'shop',
    token: '0000000000001111',
    claim: 'a',
    audit: (outcome) => ({ ...USED, outcome }),
  })
  t.match(await step(2, ['0000000000001111', '0000000000021111']), { token: '0000000000021111' })
  t.match(
    await Promise.all([
      step(3, ['0000000000031111', '0000000000041111']),
      step(4, ['0000000000031111', '0000000000041111']),
    ]),
    [{ token: '0000000000031111' }, { token: '0000000000041111' }],
    'two in one transaction do not get the same',
  )
  await t.rejects(step(5, [other, '0000000000021111']), { code: 'TOKENS_TAKEN' })
  await vault.close()
})
