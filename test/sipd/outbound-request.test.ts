import t from 'tap'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { acknowledging, repeating } from '../../src/sipd/outbound-request.ts'
import { application, serve, type AppMessage } from './application.ts'
import { fakeRequest } from './fake-flow.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const tagOf = (request: SipRequest): string | undefined => /tag=(\w+)/.exec(valueOf(request, 'to') ?? '')?.[1]

t.test('forks ring under one id; the first 2xx is the call, later ones are acknowledged and ended', async (t) => {
  const { sipd, udp } = await serve(t, { limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const early: AppMessage[] = []
  const calling = srf.createUAC(peer.uri, { localSdp: SDP }, { cbProvisional: (response) => early.push(response) })
  const invite = await peer.nextRequest('INVITE')
  for (const tag of ['one', 'two', 'three']) peer.respond(invite, udp, { status: 180, tag })
  peer.respond(invite, udp, { status: 200, tag: 'two', body: SDP })
  const dialog = await calling
  t.equal(tagOf(await peer.nextRequest('ACK')), 'two')
  t.same(
    early.map((response) => /tag=(\w+)/.exec(response.get('To') ?? '')?.[1]),
    ['one', 'two', 'three'],
  )
  t.equal(dialog.id, `${valueOf(invite, 'call-id') ?? ''};from-tag=${dialog.sip.localTag}`)
  for (const tag of ['three', 'four']) {
    peer.respond(invite, udp, { status: 200, tag, body: SDP })
    t.equal(tagOf(await peer.nextRequest('ACK')), tag)
    const bye = await peer.nextRequest('BYE')
    t.equal(tagOf(bye), tag)
    t.equal(valueOf(bye, 'reason'), 'SIP;cause=200;text="Answered elsewhere"')
    peer.respond(bye, udp, { status: 200 })
  }

  let destroyed = 0
  dialog.on('destroy', () => (destroyed += 1))
  const from = (tag: string, method: string, cseq: number): void => {
    peer.request(udp, {
      method,
      headers: {
        from: `${valueOf(invite, 'to') ?? ''};tag=${tag}`,
        to: valueOf(invite, 'from') ?? '',
        'call-id': valueOf(invite, 'call-id') ?? '',
        cseq: `${cseq} ${method}`,
      },
    })
  }
  from('one', 'INFO', 1)
  t.equal((await peer.nextResponse('INFO', 200, 699)).status, 481, 'a fork that lost')
  from('one', 'BYE', 2)
  t.equal((await peer.nextResponse('BYE', 200, 699)).status, 200, 'may still say goodbye')
  t.equal(destroyed, 0)
  from('two', 'BYE', 1)
  t.equal((await peer.nextResponse('BYE', 200, 699)).status, 200)
  t.equal(destroyed, 1)
})

t.test('a request once more keeps Call-ID and From and counts up; a PRACK names the INVITE that went out last', (t) => {
  const sent = { request: fakeRequest('INVITE'), branch: 'b', sequence: 7 }
  const longer = fakeRequest('INVITE', { from: '<sip:other@x>', 'call-id': 'other', 'session-expires': '3600' })
  const again = repeating(sent, longer)
  t.same(
    ['call-id', 'from', 'cseq', 'session-expires'].map((key) => valueOf(again, key)),
    ['fake', '<sip:a@192.0.2.1>;tag=a', '8 INVITE', '3600'],
  )
  const prack = acknowledging(fakeRequest('PRACK', { rack: '9 7 INVITE' }), { rseq: '9', sequence: 8, tag: 'x' })
  t.equal(valueOf(prack, 'rack'), '9 8 INVITE')
  t.equal(prack.headers.filter(({ key }) => key === 'rack').length, 1)
  t.end()
})
