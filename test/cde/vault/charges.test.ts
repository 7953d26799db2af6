import t from 'tap'
import type { AuthorizeRequest, VaultReply } from '../../../src/cde/vault-protocol.ts'
import { Acquirer, declines, json } from '../../fakes/acquirer.ts'
import { testCard, TEST_PANS } from '../../fakes/test-card.ts'
import { GUARD, openTestVault, tokenOf, type TestVault } from './open-test-vault.ts'

const acquirer = await Acquirer.start()
t.teardown(() => acquirer.close())
t.beforeEach(() => {
  acquirer.orders.length = 0
  acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: 'A1B2C3' })
})

function open(folder: string): Promise<TestVault> {
  const connector = { url: acquirer.url, authority: acquirer.authority, deadlineMs: 2_000 }
  return openTestVault(folder, {
    merchants: [{ name: 'shop', connector }, { name: 'other', connector }, { name: 'bare' }],
  })
}

function authorize(vault: TestVault, token: string, change: Partial<AuthorizeRequest> = {}): Promise<VaultReply> {
  const request: AuthorizeRequest = {
    type: 'authorize',
    merchant: 'shop',
    windowId: 'w1',
    token,
    amountMinor: 1250,
    currency: 'EUR',
    idempotencyKey: 'charge-0001',
    ...change,
  }
  return vault.service.handle(request, Buffer.alloc(0), GUARD)
}

const codeSent = (index: number): unknown =>
  (JSON.parse(acquirer.orders[index]?.body ?? '{}') as { card?: { code?: unknown } }).card?.code

async function actions(vault: TestVault): Promise<string[]> {
  return (await vault.store.auditAfter(0, 100)).map(({ action, outcome }) => `${action} ${outcome}`)
}

t.test('an approval carries the card code once, and then it is gone', async (t) => {
  const vault = await open(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard({ cardCode: '737' })))
  t.same(await authorize(vault, token), { type: 'approved', approvalCode: 'A1B2C3' })
  t.match(JSON.parse(acquirer.orders[0]?.body ?? ''), {
    card: { number: TEST_PANS.visa, code: '737' },
    amountMinor: 1250,
  })
  await authorize(vault, token, { idempotencyKey: 'charge-0002' })
  t.equal(codeSent(1), undefined)
  t.match(await vault.metrics.registry.metrics(), 'tonewall_vault_card_codes{role="vault"} 0')
  t.same((await actions(vault)).slice(-5), [
    'tokenize done',
    'open_card done',
    'authorize approved',
    'open_card done',
    'authorize approved',
  ])
  await vault.close()
})

t.test('a decline wipes the card code too', async (t) => {
  acquirer.answer = declines
  const vault = await open(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard({ cardCode: '737' })))
  t.same(await authorize(vault, token), { type: 'declined', declineCode: '05' })
  await authorize(vault, token, { idempotencyKey: 'charge-0002' })
  t.equal(codeSent(0), '737')
  t.equal(codeSent(1), undefined)
  await vault.close()
})

t.test('without an answer the card code stays for the repetition, which has the same reference', async (t) => {
  acquirer.answer = (_order, response) => response.destroy()
  const vault = await open(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard({ cardCode: '737' })))
  t.same(await authorize(vault, token), { type: 'refused', code: 'acquirer_unavailable' })
  acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: '7' })
  t.same(await authorize(vault, token), { type: 'approved', approvalCode: '7' })
  t.same([codeSent(0), codeSent(1)], ['737', '737'])
  t.equal(acquirer.orders[0]?.reference, acquirer.orders[1]?.reference)
  await vault.close()
})

t.test('a repeated request gets the noted outcome without another order, also after a restart', async (t) => {
  const folder = t.testdir()
  const vault = await open(folder)
  const token = tokenOf(await vault.tokenize(testCard()))
  const reply = await authorize(vault, token)
  t.same(await authorize(vault, token), reply)
  t.same(await authorize(vault, token, { amountMinor: 1 }), { type: 'refused', code: 'idempotency_conflict' })
  await vault.close()
  const again = await open(folder)
  t.same(await authorize(again, token), reply)
  t.equal(acquirer.orders.length, 1)
  await again.close()
})

t.test('the same request twice at once is one order', async (t) => {
  const vault = await open(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard()))
  const both = [authorize(vault, token), authorize(vault, token)]
  const other = await authorize(vault, token, { amountMinor: 9 })
  t.same(await Promise.all(both), [
    { type: 'approved', approvalCode: 'A1B2C3' },
    { type: 'approved', approvalCode: 'A1B2C3' },
  ])
  t.same(other, { type: 'refused', code: 'idempotency_conflict' })
  t.equal(acquirer.orders.length, 1)
  await vault.close()
})

t.test('a token that is unknown or of another merchant, and a merchant without a connector, are refused', async (t) => {
  const vault = await open(t.testdir())
  const token = tokenOf(await vault.tokenize(testCard()))
  t.same(await authorize(vault, token, { merchant: 'other' }), { type: 'refused', code: 'unknown_token' })
  t.same(await authorize(vault, 'tok_abcdefghijklmnopqrst1_1111'), { type: 'refused', code: 'unknown_token' })
  t.same(await authorize(vault, token, { merchant: 'bare' }), { type: 'refused', code: 'no_connector' })
  t.equal(acquirer.orders.length, 0)
  t.same((await actions(vault)).slice(-3), [
    'authorize unknown_token',
    'authorize unknown_token',
    'authorize no_connector',
  ])
  await vault.close()
})
