import t from 'tap'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import { ServerTransaction } from '../../src/sipd/transaction-server.ts'
import { serialize } from '../../src/sipd/message.ts'
import { FakeClock } from './fake-clock.ts'
import { fakeFlow, fakeRequest, fakeResponse } from './fake-flow.ts'

function run(method: string, transport: 'udp' | 'tcp') {
  const clock = new FakeClock()
  const { flow, sent, state } = fakeFlow({ transport, now: () => clock.now })
  const heard: string[] = []
  const transaction = new ServerTransaction({
    method,
    flow,
    times: RFC_3261_TIMES,
    clock,
    events: { failed: (failure) => heard.push(failure), ended: () => heard.push('ended') },
  })
  const request = fakeRequest(method)
  return {
    clock,
    transaction,
    heard,
    state,
    times: () => sent.map(({ at }) => at),
    respond: (status: number) => transaction.respond(status, serialize(fakeResponse(request, status))),
    ack: () => transaction.ack(() => heard.push('ack of success')),
  }
}

t.test('a refused INVITE is repeated at intervals up to T2 until its ACK, then quiet for T4', (t) => {
  const { clock, transaction, heard, times, respond, ack } = run('INVITE', 'udp')
  respond(486)
  clock.advance(12_000)
  t.same(times(), [0, 500, 1_500, 3_500, 7_500, 11_500])
  transaction.repeated()
  t.equal(times().length, 7, 'a repeated INVITE gets the answer at once')
  ack()
  clock.advance(4_999)
  t.same(heard, [])
  transaction.repeated()
  t.equal(times().length, 7, 'after the ACK nothing is sent')
  clock.advance(1)
  t.same(heard, ['ended'])
  t.end()
})

t.test('a refusal that nobody acknowledges is given up after 32 s', (t) => {
  const udp = run('INVITE', 'udp')
  udp.respond(500)
  udp.clock.advance(32_000)
  t.same(udp.heard, ['timeout', 'ended'])
  const tcp = run('INVITE', 'tcp')
  tcp.respond(500)
  tcp.clock.advance(31_999)
  t.same(tcp.times(), [0], 'TCP does not repeat')
  tcp.ack()
  t.same(tcp.heard, ['ended'])
  t.end()
})

t.test(
  'after a 2xx repeated INVITEs are absorbed, the user repeats its 2xx, and all ends after 32 s (RFC 6026)',
  (t) => {
    const { clock, transaction, heard, times, respond, ack } = run('INVITE', 'udp')
    transaction.repeated()
    t.same(times(), [], 'nothing to repeat yet')
    respond(100)
    respond(180)
    transaction.repeated()
    respond(200)
    transaction.repeated()
    t.equal(times().length, 4)
    respond(200)
    t.equal(times().length, 5)
    ack()
    t.same(heard, ['ack of success'])
    clock.advance(32_000)
    t.same(heard, ['ack of success', 'ended'])
    respond(200)
    t.equal(times().length, 5, 'nothing after the end')
    t.end()
  },
)

t.test('another request is answered again while timer J runs', (t) => {
  const { clock, transaction, heard, times, respond } = run('OPTIONS', 'udp')
  transaction.repeated()
  respond(100)
  transaction.repeated()
  respond(200)
  transaction.repeated()
  respond(500)
  t.equal(times().length, 4, 'a second final answer is not sent')
  clock.advance(32_000)
  t.same(heard, ['ended'])
  const tcp = run('OPTIONS', 'tcp')
  tcp.respond(200)
  t.same(tcp.heard, ['ended'])
  t.end()
})

t.test('a transport that fails ends either kind, and abandon() says nothing to the network', (t) => {
  for (const method of ['INVITE', 'OPTIONS']) {
    const { heard, state, respond, clock } = run(method, 'udp')
    state.broken = true
    respond(180)
    t.match(heard.at(-1), 'ended', method)
    t.equal(clock.running, 0)
    const other = run(method, 'udp')
    other.transaction.abandon()
    other.transaction.abandon()
    t.same(other.heard, ['ended'])
    t.same(other.times(), [])
  }
  t.end()
})
