import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { verifyAudit } from '../../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../../src/cde/vault/audit-tail.ts'
import { Acquirer, json } from '../../../fakes/acquirer.ts'
import { testCard } from '../../../fakes/test-card.ts'
import { openTestVault, tokenOf } from '../open-test-vault.ts'
import { call, certificateOf } from './api-site.ts'
import { startChild } from './start-child.ts'

const acquirer = await Acquirer.start()
t.teardown(() => acquirer.close())
async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'close')
}

t.test(
  'an order that was under way when the vault was killed is booked once, and its answer then stays the same',
  async (t) => {
    const folder = t.testdir()
    const before = await openTestVault(folder)
    const token = tokenOf(await before.tokenize(testCard()))
    await before.close()
    const order = {
      by: certificateOf('billing'),
      path: '/v1/merchants/shop/charges',
      key: 'order-000001',
      body: { token, amountMinor: 1250, currency: 'EUR' },
    }

    const first = await startChild(folder, { url: acquirer.url, authority: String(acquirer.authority) })
    const arrived = Promise.withResolvers<null>()
    acquirer.answer = () => arrived.resolve(null)
    const lost = t.rejects(call({ port: first.port, ...order }), 'nobody answers any more')
    await arrived.promise
    await kill(first.child)
    await lost

    acquirer.answer = (_order, response) => json(response, { outcome: 'approved', approvalCode: 'ONCE' })
    const second = await startChild(folder, { url: acquirer.url, authority: String(acquirer.authority) })
    const answer = await call({ port: second.port, ...order })
    t.match(answer, { status: 200, json: { outcome: 'approved', approvalCode: 'ONCE' } })
    const told = {
      by: certificateOf('ann'),
      path: '/v1/merchants/shop/detokenizations',
      key: 'order-000002',
      body: { token, purpose: 'after a crash' },
    }
    const card = await call({ port: second.port, ...told })
    await kill(second.child)

    acquirer.answer = (_order, response) => json(response, { outcome: 'declined', declineCode: '05' })
    const third = await startChild(folder, { url: acquirer.url, authority: String(acquirer.authority) })
    t.same((await call({ port: third.port, ...order })).json, answer.json)
    t.same((await call({ port: third.port, ...told })).json, card.json)
    t.match(await call({ port: third.port, ...order, body: { ...order.body, amountMinor: 1 } }), { status: 422 })
    t.equal(
      new Set(acquirer.orders.map(({ reference }) => reference)).size,
      1,
      'the acquirer knows it by one reference',
    )
    t.equal(acquirer.orders.length, 2)
    await kill(third.child)

    const after = await openTestVault(folder)
    t.match(await verifyAudit(auditRecords(after.store)), { kind: 'intact' })
    await after.close()
  },
)
