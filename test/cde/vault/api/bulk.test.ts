import t from 'tap'
import { digits, numberedPan, testCard } from '../../../fakes/test-card.ts'
import { newKey, tokenOf } from '../open-test-vault.ts'
import { openApi, type ApiSite } from './api-site.ts'

const BULK = '/v1/merchants/shop/bulk-detokenizations'
const PURPOSE = 'move to another acquirer'

async function tokens({ vault }: ApiSite, count: number): Promise<readonly string[]> {
  const cards = Array.from({ length: count }, (_, index) => ({
    ...testCard({ expiry: '0931' }),
    pan: digits(numberedPan(index)),
  }))
  return Promise.all(cards.map(async (card) => tokenOf(await vault.tokenize(card))))
}

t.test('one requests, another approves, and the first collects, once', async (t) => {
  const site = await openApi(t)
  const wanted = await tokens(site, 40)
  const order = { key: newKey(), body: { tokens: [...wanted, 'tok_abcdefghijklmnopqrst0_1111'], purpose: PURPOSE } }
  const requested = await site.as('ann', BULK, order)
  t.match(requested, {
    status: 202,
    json: { state: 'requested', requestedBy: 'ann', approvedBy: null, tokens: 41, purpose: PURPOSE },
  })
  t.same((await site.as('ann', BULK, order)).json, requested.json)
  const path = `${BULK}/${String(requested.json?.['bulkId'])}`
  t.match(await site.as('ann', `${path}/cards`, { method: 'POST', key: newKey() }), {
    status: 409,
    json: { code: 'bulk_not_approved' },
  })
  t.match((await site.as('bob', path)).json, requested.json ?? {})
  const approval = { method: 'POST', key: newKey() }
  t.match(await site.as('ann', `${path}/approval`, approval), { status: 403, json: { code: 'role_not_allowed' } })
  const approved = await site.as('bob', `${path}/approval`, approval)
  t.match(approved, { status: 200, json: { state: 'approved', approvedBy: 'bob' } })
  t.same((await site.as('bob', `${path}/approval`, approval)).json, approved.json)
  t.match(await site.as('eve', `${path}/cards`, { method: 'POST', key: newKey() }), {
    status: 404,
    json: { code: 'unknown_bulk' },
  })
  const collect = { method: 'POST', key: newKey() }
  const collected = await site.as('ann', `${path}/cards`, collect)
  t.equal(collected.status, 200)
  t.same(
    collected.json?.['cards'],
    wanted.map((token, index) => ({ token, number: numberedPan(index), expiryMonth: '09', expiryYear: '31' })),
  )
  t.same(collected.json?.['refused'], [{ token: 'tok_abcdefghijklmnopqrst0_1111', code: 'unknown_token' }])
  t.same((await site.as('ann', `${path}/cards`, collect)).json, collected.json, 'a repetition has the same answer')
  t.match(await site.as('ann', `${path}/cards`, { method: 'POST', key: newKey() }), { status: 409 })
  t.match((await site.as('ann', path)).json, { state: 'collected' })
  t.match(await site.audit('bulk_request'), [
    /^detokenizer done ann\.detokenizer.* of 41 for move to another acquirer$/,
  ])
  t.match(await site.audit('bulk_approve'), [/^approver done bob\.approver/])
  t.match(await site.audit('bulk_collect'), [
    /bulk_not_approved/,
    /unknown_bulk/,
    /done/,
    /repeated/,
    /bulk_not_approved/,
  ])
  t.equal((await site.audit('detokenize')).filter((line) => line.includes(' done ')).length, 80)
})

t.test('nobody approves what they asked for, whatever their certificates say', async (t) => {
  const site = await openApi(t)
  const asked = {
    caller: { name: 'bob', role: 'detokenizer', origin: 'x' },
    merchant: 'shop',
    claim: 'a'.repeat(26),
  } as const
  const { BulkDetokenizations } = await import('../../../../src/cde/vault/api/bulk.ts')
  const { Orders } = await import('../../../../src/cde/vault/api/orders.ts')
  const { TokenOperations } = await import('../../../../src/cde/vault/api/operations.ts')
  const { parts } = site.vault
  const bulk = new BulkDetokenizations(parts, new TokenOperations(parts))
  const order = { ...asked, idempotencyKey: newKey(), operation: 'bulkRequest', content: [] }
  const answer = await new Orders(parts.store).run(order, (claim) =>
    bulk.request({ ...asked, claim }, { tokens: ['tok_abcdefghijklmnopqrst0_1111'], purpose: PURPOSE }),
  )
  const bulkId = answer.kind === 'json' ? String(answer.body['bulkId']) : ''
  t.match(await site.as('bob', `${BULK}/${bulkId}/approval`, { method: 'POST', key: newKey() }), {
    status: 403,
    json: { code: 'same_person' },
  })
  t.match(await site.audit('bulk_approve'), [/same_person bob/])
})

t.test('a request and an approval have their time, and there is a limit on how many', async (t) => {
  const clock = { nowMs: Date.UTC(2026, 0, 1) }
  const site = await openApi(t, { nowMs: () => clock.nowMs })
  const wanted = await tokens(site, 1)
  const request = async (): Promise<string> => {
    const { json } = await site.as('ann', BULK, { key: newKey(), body: { tokens: wanted, purpose: PURPOSE } })
    return `${BULK}/${String(json?.['bulkId'])}`
  }
  const [late, approved] = [await request(), await request()]
  clock.nowMs += 86_300_000
  t.match(await site.as('bob', `${approved}/approval`, { method: 'POST', key: newKey() }), { status: 200 })
  clock.nowMs += 901_000
  t.match(await site.as('ann', `${approved}/cards`, { method: 'POST', key: newKey() }), {
    status: 410,
    json: { code: 'bulk_over' },
  })
  t.match(await site.as('bob', `${late}/approval`, { method: 'POST', key: newKey() }), {
    status: 410,
    json: { code: 'bulk_over' },
  })
  const many = Array.from(
    { length: 501 },
    (_, index) =>
      `tok_abcdefghijklmnopq${String.fromCharCode(97 + (index % 26), 97 + Math.floor(index / 26), 97)}0_1111`,
  )
  for (const body of [
    { tokens: many, purpose: PURPOSE },
    { tokens: [], purpose: PURPOSE },
    { tokens: wanted, purpose: 'x' },
    { tokens: [...wanted, ...wanted], purpose: PURPOSE },
  ]) {
    t.match(await site.as('ann', BULK, { key: newKey(), body }), { status: 400, json: { code: 'malformed' } })
  }
  t.equal(
    (await site.as('ann', BULK, { key: newKey(), body: { tokens: many.slice(1), purpose: PURPOSE } })).status,
    202,
  )
})
