import t from 'tap'
import { Acquirer, json } from '../../../fakes/acquirer.ts'
import { testCard, TEST_PANS } from '../../../fakes/test-card.ts'
import { newKey, tokenOf } from '../open-test-vault.ts'
import { openApi, type ApiSite } from './api-site.ts'

const acquirer = await Acquirer.start()
t.teardown(() => acquirer.close())
t.beforeEach(() => {
  acquirer.orders.length = 0
  acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: 'A1B2C3' })
})
const connector = { url: acquirer.url, authority: acquirer.authority, deadlineMs: 2_000 }
const SHOP = '/v1/merchants/shop'
const CANARY_PAN = '4263982640269299'
const PURPOSE = 'refund by letter'

const newToken = async ({ vault }: ApiSite, merchant = 'shop'): Promise<string> =>
  tokenOf(await vault.tokenize(testCard({ expiry: '0931', cardCode: '737' }), { merchant }))
const charge = (token: string, amountMinor = 1250) => ({ token, amountMinor, currency: 'EUR' })

t.test('a token is charged once however often it is asked for, and the answer stays the same', async (t) => {
  const site = await openApi(t, { merchants: [{ name: 'shop', connector }] })
  const token = await newToken(site)
  const order = { key: newKey(), body: charge(token) }
  const first = await site.as('billing', `${SHOP}/charges`, order)
  t.match(first, { status: 200, json: { outcome: 'approved', approvalCode: 'A1B2C3' } })
  acquirer.answer = (_order, response) => json(response, { outcome: 'declined', declineCode: '05' })
  t.same((await site.as('billing', `${SHOP}/charges`, order)).json, first.json)
  const quoted = { ...order, key: `"${order.key}"` }
  t.same((await site.as('billing', `${SHOP}/charges`, quoted)).json, first.json, 'with quotes it is the same key')
  t.equal(acquirer.orders.length, 1)
  t.match(JSON.parse(acquirer.orders[0]?.body ?? ''), { card: { number: TEST_PANS.visa, code: '737' } })
  const other = await site.as('billing', `${SHOP}/charges`, { ...order, body: charge(token, 1) })
  t.match(other, { status: 422, json: { code: 'idempotency_conflict' } })
  t.match(await site.as('billing', `${SHOP}/charges`, { key: newKey(), body: charge(token) }), {
    json: { outcome: 'declined', declineCode: '05' },
  })
  t.match(await site.audit('authorize'), [/charger approved billing\.charger\.tonewall\.internal tok_/, /declined/])
  t.match(await site.audit('request'), [/repeated/, /repeated/, /idempotency_conflict/])
})

t.test('an order without an answer of the acquirer is asked again under the same reference', async (t) => {
  acquirer.answer = (_order, response) => response.destroy()
  const site = await openApi(t, { merchants: [{ name: 'shop', connector }] })
  const order = { key: newKey(), body: charge(await newToken(site)) }
  t.match(await site.as('billing', `${SHOP}/charges`, order), { status: 503, json: { code: 'acquirer_unavailable' } })
  acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: '7' })
  t.match(await site.as('billing', `${SHOP}/charges`, order), { status: 200, json: { approvalCode: '7' } })
  t.equal(new Set(acquirer.orders.map(({ reference }) => reference)).size, 1)
})

t.test('the same order twice at once is one, and the second is told to wait', async (t) => {
  const site = await openApi(t, { merchants: [{ name: 'shop', connector }] })
  const arrived = Promise.withResolvers<() => void>()
  acquirer.answer = (_order, response) => {
    arrived.resolve(() => json(response, { outcome: 'approved', approvalCode: '7' }))
  }
  const order = { key: newKey(), body: charge(await newToken(site)) }
  const first = site.as('billing', `${SHOP}/charges`, order)
  const answer = await arrived.promise
  t.match(await site.as('billing', `${SHOP}/charges`, order), { status: 409, json: { code: 'request_in_progress' } })
  answer()
  t.match(await first, { status: 200 })
  t.equal(acquirer.orders.length, 1)
})

t.test('a number is told to a detokenizer, and its purpose is on record', async (t) => {
  const site = await openApi(t)
  const token = tokenOf(await site.vault.tokenize(testCard({ pan: CANARY_PAN, expiry: '0931' })))
  const order = { key: newKey(), body: { token, purpose: PURPOSE } }
  const answer = await site.as('ann', `${SHOP}/detokenizations`, order)
  t.match(answer, { status: 200, headers: { 'cache-control': 'no-store', 'content-type': 'application/json' } })
  t.same(answer.json, { token, number: CANARY_PAN, expiryMonth: '09', expiryYear: '31' })
  t.same((await site.as('ann', `${SHOP}/detokenizations`, order)).json, answer.json)
  t.same(await site.audit('detokenize'), [
    `detokenizer done ann.detokenizer.tonewall.internal ${token} for ${PURPOSE}`,
    `detokenizer done ann.detokenizer.tonewall.internal ${token} for ${PURPOSE}`,
  ])
  const without = tokenOf(await site.vault.tokenize(testCard({ expiry: '' })))
  t.same(
    (await site.as('ann', `${SHOP}/detokenizations`, { key: newKey(), body: { token: without, purpose: PURPOSE } }))
      .json,
    {
      token: without,
      number: TEST_PANS.visa,
    },
  )
})

t.test('a token of a single use is told once, and for a while to the repetition', async (t) => {
  const clock = { nowMs: Date.UTC(2026, 0, 1) }
  const site = await openApi(t, {
    merchants: [{ name: 'shop', tokens: { reuse: 'single' } }],
    nowMs: () => clock.nowMs,
  })
  const order = { key: newKey(), body: { token: await newToken(site), purpose: PURPOSE } }
  const told = await site.as('ann', `${SHOP}/detokenizations`, order)
  t.equal(told.status, 200)
  t.match(
    await site.as('eve', `${SHOP}/detokenizations`, order),
    { status: 410, json: { code: 'token_gone' } },
    'her key is another',
  )
  t.same((await site.as('ann', `${SHOP}/detokenizations`, order)).json, told.json)
  clock.nowMs += 301_000
  t.match(await site.as('ann', `${SHOP}/detokenizations`, order), { status: 410 })
})

t.test('what may be shown is shown, and a token that is deleted is gone', async (t) => {
  const site = await openApi(t)
  const token = await newToken(site)
  const path = `${SHOP}/tokens/${token}`
  t.match((await site.as('billing', path)).json, {
    token,
    lastFour: '1111',
    brand: 'visa',
    reuse: 'reusable',
    state: 'live',
    endsAtMs: 0,
  })
  const remove = { method: 'DELETE', key: newKey() }
  t.match(await site.as('billing', path, remove), { status: 204, text: '' })
  t.match(await site.as('billing', path, remove), { status: 204 })
  t.match(await site.as('billing', path, { method: 'DELETE', key: newKey() }), { status: 410 })
  t.match((await site.as('ann', path)).json, { state: 'gone' })
  t.match(await site.as('ann', `${SHOP}/detokenizations`, { key: newKey(), body: { token, purpose: PURPOSE } }), {
    status: 410,
  })
})

t.test('a token, a merchant or a deed of others is refused, and on record', async (t) => {
  const site = await openApi(t, {
    merchants: [
      { name: 'shop', connector },
      { name: 'other', connector },
    ],
  })
  const token = await newToken(site)
  const body = { token, purpose: PURPOSE }
  t.match(await site.as('other-billing', '/v1/merchants/other/charges', { key: newKey(), body: charge(token) }), {
    status: 404,
    json: { code: 'unknown_token' },
  })
  t.match(await site.as('other-billing', `${SHOP}/charges`, { key: newKey(), body: charge(token) }), {
    status: 404,
    json: { code: 'unknown_merchant' },
  })
  t.match(await site.as('billing', `/v1/merchants/nobody/tokens/${token}`), {
    status: 404,
    json: { code: 'unknown_merchant' },
  })
  t.match(await site.as('billing', `${SHOP}/detokenizations`, { key: newKey(), body }), { status: 403 })
  t.match(await site.as('ann', `${SHOP}/charges`, { key: newKey(), body: charge(token) }), { status: 403 })
  t.match(await site.as('bob', `${SHOP}/tokens/${token}`), { status: 403 })
  t.equal(acquirer.orders.length, 0)
  t.match(await site.audit('request'), [
    'charger unknown_merchant other-billing.charger.tonewall.internal ',
    'charger unknown_merchant billing.charger.tonewall.internal ',
    'charger role_not_allowed billing.charger.tonewall.internal ',
    'detokenizer role_not_allowed ann.detokenizer.tonewall.internal ',
    'approver role_not_allowed bob.approver.tonewall.internal ',
  ])
})

t.test('each client has its own limits, and a flood has one record', async (t) => {
  const clock = { nowMs: Date.UTC(2026, 0, 1) }
  const site = await openApi(t, { limits: { requestsPerMinute: 30, cardsPerMinute: 2 }, nowMs: () => clock.nowMs })
  const token = await newToken(site)
  const tell = (name: 'ann' | 'eve') =>
    site.as(name, `${SHOP}/detokenizations`, { key: newKey(), body: { token, purpose: PURPOSE } })
  t.same([(await tell('ann')).status, (await tell('ann')).status], [200, 200])
  t.match(await tell('ann'), { status: 429, json: { code: 'cards_limited' }, headers: { 'retry-after': '30' } })
  t.equal((await tell('eve')).status, 200)
  for (let index = 0; index < 40; index += 1) await site.as('billing', '/v1/health')
  t.match(await site.as('billing', '/v1/health'), {
    status: 429,
    json: { code: 'rate_limited' },
    headers: { 'retry-after': '2' },
  })
  t.match(await site.audit('request'), [/cards_limited ann/, /rate_limited billing/])
  clock.nowMs += 31_000
  t.equal((await tell('ann')).status, 200)
  t.equal((await site.as('billing', '/v1/health')).status, 200)
})
