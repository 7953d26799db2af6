import t from 'tap'
import { ReferReport } from '../../src/sbc/refer-report.ts'
import { FakeDialog } from '../fakes/fake-sip.ts'

const dialog = () => new FakeDialog({ callId: 'x', sdp: '' })

t.test('each status is told once, in order, and the final one ends it (RFC 3515 section 2.4.4)', async (t) => {
  const peer = dialog()
  const report = new ReferReport({ dialog: peer, id: null, isWanted: true })
  await Promise.all([100, 180, 180, 200, 486].map((status) => report.tell(status)))
  t.match(peer.requests, [
    {
      method: 'NOTIFY',
      headers: { Event: 'refer', 'Subscription-State': /^active;expires=\d+$/, 'Content-Type': /^message\/sipfrag/ },
      body: 'SIP/2.0 100 Trying\r\n',
    },
    { body: 'SIP/2.0 180 Ringing\r\n' },
    { headers: { 'Subscription-State': 'terminated;reason=noresource' }, body: 'SIP/2.0 200 OK\r\n' },
  ])
  t.equal(peer.requests.length, 3)
})

t.test('a second REFER in a dialog is told of by its id', async (t) => {
  const peer = dialog()
  await new ReferReport({ dialog: peer, id: 93_809_824, isWanted: true }).tell(404)
  t.match(peer.requests, [{ headers: { Event: 'refer;id=93809824' }, body: 'SIP/2.0 404 Not Found\r\n' }])
})

t.test('nobody is told who did not want it, or has hung up, or does not answer', async (t) => {
  const silent = dialog()
  await new ReferReport({ dialog: silent, id: null, isWanted: false }).tell(200)
  const gone = dialog()
  gone.connected = false
  await new ReferReport({ dialog: gone, id: null, isWanted: true }).tell(200)
  t.same([silent.requests, gone.requests], [[], []])
  const failing = dialog()
  failing.request = () => Promise.reject(new Error('no answer'))
  const report = new ReferReport({ dialog: failing, id: null, isWanted: true })
  await report.tell(100)
  await t.resolves(report.tell(200))
})

t.end()
