import { mock } from 'node:test'
import t from 'tap'
import { ClientTransaction, T1_MS, TRANSACTION_MS } from '../../../src/demo/phone/client-transaction.ts'
import type { SipResponse } from '../../../src/demo/phone/sip-text.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

function response(status: number): SipResponse {
  return { kind: 'response', status, reason: '', headers: [], body: '' }
}

function start(method: string) {
  const seen = { sent: 0, provisional: 0, finals: [] as (number | undefined)[] }
  const transaction = new ClientTransaction({
    request: { kind: 'request', method, uri: 'sip:a', headers: [], body: '' },
    send: () => {
      seen.sent += 1
    },
    onProvisional: () => {
      seen.provisional += 1
    },
    onFinal: (final) => seen.finals.push(final?.status),
  })
  return { transaction, seen }
}

/** In steps of T1, for a mocked clock fires the timers that a timer sets only in the next step. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += T1_MS) mock.timers.tick(T1_MS)
}

t.test('a request is sent seven times as INVITE, eleven times else, and then given up', (t) => {
  const invite = start('INVITE')
  const bye = start('BYE')
  pass(TRANSACTION_MS + T1_MS)
  t.same([invite.seen.sent, bye.seen.sent], [7, 11])
  t.same([invite.seen.finals, bye.seen.finals], [[undefined], [undefined]])
  t.end()
})

t.test('a provisional response stops an INVITE from being sent again, and lets it ring', (t) => {
  const { transaction, seen } = start('INVITE')
  t.equal(transaction.heard, false)
  transaction.receive(response(180))
  t.equal(transaction.heard, true)
  pass(10_000)
  t.same(seen, { sent: 1, provisional: 1, finals: [] })
  transaction.receive(response(200))
  transaction.receive(response(200))
  t.same(seen.finals, [200])
  t.end()
})

t.test('a closed transaction says nothing more', (t) => {
  const { transaction, seen } = start('OPTIONS')
  transaction.close()
  transaction.close()
  transaction.receive(response(200))
  pass(TRANSACTION_MS)
  t.same(seen, { sent: 1, provisional: 0, finals: [] })
  t.end()
})
