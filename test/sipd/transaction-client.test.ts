import t from 'tap'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import { ClientTransaction, cancelOf } from '../../src/sipd/transaction-client.ts'
import { listOf, serialize, valueOf } from '../../src/sipd/message.ts'
import { FakeClock } from './fake-clock.ts'
import { fakeFlow, fakeRequest, fakeResponse } from './fake-flow.ts'

function run(method: string, transport: 'udp' | 'tcp') {
  const clock = new FakeClock()
  const { flow, sent, state } = fakeFlow({ transport, now: () => clock.now })
  const heard: string[] = []
  const request = fakeRequest(method)
  const transaction = new ClientTransaction({
    request,
    bytes: serialize(request),
    flow,
    times: RFC_3261_TIMES,
    clock,
    events: {
      response: ({ status }) => heard.push(String(status)),
      failed: (failure) => heard.push(failure),
      ended: () => heard.push('ended'),
    },
  })
  const times = (first: string): number[] => sent.filter((entry) => entry.first.startsWith(first)).map(({ at }) => at)
  return {
    clock,
    transaction,
    heard,
    request,
    times,
    state,
    answer: (status: number) => transaction.receive(fakeResponse(request, status)),
  }
}

t.test('over UDP an unanswered INVITE is sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and given up at 32 s', (t) => {
  const { clock, transaction, heard, times } = run('INVITE', 'udp')
  transaction.start()
  clock.advance(31_999)
  t.same(times('INVITE'), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500])
  t.same(heard, [])
  clock.advance(1)
  t.same(heard, ['timeout', 'ended'])
  clock.advance(100_000)
  t.equal(times('INVITE').length, 7)
  t.equal(clock.running, 0)
  t.end()
})

t.test('over UDP another request is sent at intervals that double up to T2', (t) => {
  const { clock, transaction, heard, times } = run('OPTIONS', 'udp')
  transaction.start()
  clock.advance(32_000)
  t.same(times('OPTIONS'), [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
  t.same(heard, ['timeout', 'ended'])
  t.end()
})

t.test('a provisional answer stops an INVITE, and slows another request to T2', (t) => {
  const invite = run('INVITE', 'udp')
  invite.transaction.start()
  invite.answer(180)
  invite.clock.advance(600_000)
  t.same(invite.times('INVITE'), [0])
  t.same(invite.heard, ['180'])
  const options = run('OPTIONS', 'udp')
  options.transaction.start()
  options.clock.advance(600)
  options.answer(100)
  options.clock.advance(31_400)
  t.same(options.times('OPTIONS'), [0, 500, 1_500, 5_500, 9_500, 13_500, 17_500, 21_500, 25_500, 29_500])
  t.same(options.heard, ['100', 'timeout', 'ended'])
  t.end()
})

t.test('a refusal is acknowledged each time it comes and told once, for 32 s over UDP and no longer over TCP', (t) => {
  const udp = run('INVITE', 'udp')
  udp.transaction.start()
  udp.answer(486)
  udp.answer(486)
  t.same(udp.heard, ['486'])
  t.equal(udp.times('ACK').length, 2)
  udp.clock.advance(32_000)
  t.same(udp.heard, ['486', 'ended'])
  const tcp = run('INVITE', 'tcp')
  tcp.transaction.start()
  tcp.clock.advance(5_000)
  t.same(tcp.times('INVITE'), [0], 'TCP does not need to repeat')
  tcp.answer(486)
  t.same(tcp.heard, ['486', 'ended'])
  t.end()
})

t.test('every 2xx is told for 64 * T1, since each may be another fork (RFC 6026)', (t) => {
  const { clock, transaction, heard, times, answer } = run('INVITE', 'udp')
  transaction.start()
  answer(200)
  answer(200)
  answer(486)
  t.same(heard, ['200', '200'])
  t.same(times('ACK'), [])
  clock.advance(32_000)
  t.same(heard, ['200', '200', 'ended'])
  t.end()
})

t.test('a repeated final answer to another request is absorbed until timer K', (t) => {
  const { clock, transaction, heard, answer } = run('BYE', 'udp')
  transaction.start()
  answer(200)
  answer(200)
  t.same(heard, ['200'])
  clock.advance(5_000)
  t.same(heard, ['200', 'ended'])
  t.end()
})

t.test('a transport that fails ends either kind', (t) => {
  for (const method of ['INVITE', 'OPTIONS']) {
    const { transaction, heard, state, clock } = run(method, 'tcp')
    state.broken = true
    transaction.start()
    t.same(heard, ['transport', 'ended'], method)
    t.equal(clock.running, 0)
  }
  t.end()
})

t.test('a CANCEL copies what identifies its INVITE', (t) => {
  const invite = fakeRequest('INVITE', { route: '<sip:192.0.2.9;lr>' })
  const cancel = cancelOf(invite)
  t.equal(valueOf(cancel, 'via'), valueOf(invite, 'via'))
  t.equal(valueOf(cancel, 'cseq'), '7 CANCEL')
  t.same(listOf(cancel, 'route'), ['<sip:192.0.2.9;lr>'])
  t.equal(cancel.uri, invite.uri)
  t.equal(valueOf(cancel, 'contact'), undefined)
  t.end()
})
