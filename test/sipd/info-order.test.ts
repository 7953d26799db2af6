import t, { type Test } from 'tap'
import { InfoOrder } from '../../src/sipd/info-order.ts'
import { valueOf } from '../../src/sipd/message.ts'
import { application, serve } from './application.ts'
import { FakeClock } from './fake-clock.ts'
import { RawPeer, SDP } from './raw-peer.ts'

function newOrder() {
  const clock = new FakeClock()
  const passed: number[] = []
  const order = new InfoOrder({ clock, t1Ms: 500 })
  const keep = (sequence: number, lastSequence: number) =>
    order.keep(sequence, { lastSequence, pass: () => passed.push(sequence) })
  return { clock, passed, order, keep }
}

t.test('what comes after a gap waits until the gap is filled, and goes in order', (t) => {
  const { clock, passed, order, keep } = newOrder()
  t.notOk(keep(11, 10), 'no gap')
  t.notOk(keep(10, 10), 'one that is not new')
  t.notOk(keep(700, -1), 'the first that is heard of a peer')
  t.ok(keep(14, 11))
  t.ok(keep(13, 11))
  t.ok(keep(16, 11))
  order.passUpTo(12)
  t.same(passed, [])
  order.passUpTo(13)
  t.same(passed, [13, 14], 'up to the next gap')
  t.equal(clock.running, 1)
  t.end()
})

t.test('a gap that nobody fills is given up when the lost one would have come again', (t) => {
  const { clock, passed, keep } = newOrder()
  keep(12, 10)
  clock.advance(300)
  keep(13, 10)
  keep(20, 10)
  clock.advance(300)
  t.same(passed, [])
  clock.advance(60)
  t.same(passed, [12, 13])
  clock.advance(300)
  t.same(passed, [12, 13, 20])
  t.end()
})

t.test('no more than so many wait', (t) => {
  const { keep } = newOrder()
  const kept = Array.from({ length: 30 }, (_, index) => keep(100 + index, 1)).filter(Boolean)
  t.equal(kept.length, 16)
  t.end()
})

async function called(t: Test) {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const heard: string[] = []
  await application(t, sipd, (srf) => {
    srf.invite((request, response) => {
      void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
        dialog.on('options', (_, answer) => {
          heard.push('OPTIONS')
          answer.send(200)
        })
        dialog.on('info', (info, answer) => {
          heard.push(info.body)
          answer.send(200)
        })
      })
    })
  })
  const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers: { cseq: '10 INVITE' } })
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 10 })
  const send = (method: string, cseq: number, copy = 0) => {
    const via = `SIP/2.0/UDP 127.0.0.1:${peer.address.port};branch=z9hG4bK${cseq}x${copy};rport`
    const headers = { via, ...(method === 'INFO' ? { 'content-type': 'application/dtmf' } : {}) }
    peer.inDialog(
      udp,
      { invite, response },
      { method, cseq, headers, ...(method === 'INFO' ? { body: String(cseq) } : {}) },
    )
  }
  const answers = async (count: number) => {
    const statuses = new Map<string | undefined, number>()
    for (let got = 0; got < count; got += 1) {
      const answer = await peer.nextResponse('INFO', 200, 699)
      statuses.set(valueOf(answer, 'cseq'), answer.status)
    }
    return statuses
  }
  return { send, answers, heard, peer }
}

t.test(
  'over UDP, overlapping INFOs of which one was lost and came again reach the application once and in order',
  async (t) => {
    const { send, answers, heard } = await called(t)
    for (const cseq of [11, 13, 14, 13, 14, 12, 12, 15]) send('INFO', cseq)
    const statuses = await answers(5)
    t.same([...statuses.values()], [200, 200, 200, 200, 200])
    t.same(heard, ['11', '12', '13', '14', '15'])
  },
)

t.test('an INFO that waits comes before what was sent after it, and a gap that was given up is over', async (t) => {
  const { send, answers, heard, peer } = await called(t)
  send('INFO', 12)
  t.same([...(await answers(1)).values()], [200], 'the gap is given up')
  send('INFO', 11)
  t.same([...(await answers(1)).values()], [500], 'too late')
  send('INFO', 14)
  send('OPTIONS', 15)
  await peer.nextResponse('OPTIONS', 200)
  t.same(heard, ['12', '14', 'OPTIONS'])
})
