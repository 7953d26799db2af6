import t, { type Test } from 'tap'
import { header, valueOf, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'
import { Subscriptions } from '../../src/sipd/subscriptions.ts'
import { application, serve, type AppDialog, type AppMessage, type Application } from './application.ts'
import { FakeClock } from './fake-clock.ts'
import { fakeRequest, fakeResponse } from './fake-flow.ts'
import { RawPeer, SDP } from './raw-peer.ts'

async function served(t: Test, routes: (srf: Application) => void = () => undefined) {
  const { sipd, udp } = await serve(t, { limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  return { udp, peer, srf: await application(t, sipd, routes) }
}

/** The headers of a request of the peer in the dialog that `request` of ours opened with it. */
function back(request: SipRequest, tag: string, cseq: string): Record<string, string> {
  return {
    from: `${valueOf(request, 'to')?.replace(/;tag=.*/, '') ?? ''};tag=${tag}`,
    to: valueOf(request, 'from') ?? '',
    'call-id': valueOf(request, 'call-id') ?? '',
    cseq,
  }
}

t.test('a subscription of the application: NOTIFY before the 200, refresh, end by the notifier', async (t) => {
  const { udp, peer, srf } = await served(t)
  const subscribing = srf.createUAC(peer.uri, {
    method: 'SUBSCRIBE',
    // srf finds the end of a subscription by the user of the one who subscribed.
    headers: { Event: 'dialog', Expires: '600', From: `<${peer.uri}>` },
  })
  const subscribe = await peer.nextRequest('SUBSCRIBE')
  t.ok(valueOf(subscribe, 'contact'))
  const notify = (cseq: number, state: string, tag = 'n'): SipRequest =>
    peer.request(udp, {
      method: 'NOTIFY',
      uri: `sip:127.0.0.1:${udp.port}`,
      headers: { ...back(subscribe, tag, `${cseq} NOTIFY`), event: 'dialog', 'subscription-state': state },
    })
  notify(1, 'active;expires=600')
  peer.respond(subscribe, udp, { status: 200, tag: 'n', headers: { Expires: '600' } })
  const dialog = await subscribing
  t.equal(dialog.id, `${valueOf(subscribe, 'call-id') ?? ''};from-tag=${dialog.sip.localTag}`)
  t.equal((await peer.nextResponse('NOTIFY', 200, 699)).status, 200, 'which srf answers once it has the dialog')
  notify(1, 'active', 'another')
  t.equal((await peer.nextResponse('NOTIFY', 200, 699)).status, 481, 'another notifier of a forked SUBSCRIBE')
  const refreshing = dialog.request({ method: 'SUBSCRIBE', headers: { Event: 'dialog', Expires: '600' } })
  const refresh = await peer.nextRequest('SUBSCRIBE')
  t.equal(valueOf(refresh, 'to'), `${valueOf(subscribe, 'to') ?? ''};tag=n`)
  peer.respond(refresh, udp, { status: 200, headers: { Expires: '600' } })
  t.equal((await refreshing).status, 200)
  const ended = new Promise<void>((resolve) => dialog.on('destroy', () => resolve()))
  const states: (string | undefined)[] = []
  dialog.on('notify', (request, answer) => {
    states.push(request.get('Subscription-State'))
    answer.send(200)
  })
  notify(2, 'terminated;reason=noresource')
  t.equal((await peer.nextResponse('NOTIFY', 200, 699)).status, 200)
  await ended
  t.same(states, ['terminated;reason=noresource'])
  notify(3, 'active')
  t.equal((await peer.nextResponse('NOTIFY', 200, 699)).status, 481, 'the dialog is gone')
})

t.test(
  'a subscription at the application: NOTIFYs in its dialog, refresh by the peer, end by the application',
  async (t) => {
    let opened: (dialog: AppDialog) => void = () => undefined
    const subscribed = new Promise<AppDialog>((resolve) => (opened = resolve))
    const { udp, peer, srf } = await served(t, (srf) =>
      srf.use('subscribe', (request, response) => {
        void srf.createUAS(request, response, { headers: { Expires: '60' } }).then(opened)
      }),
    )
    t.ok(srf)
    const subscribe = peer.request(udp, { method: 'SUBSCRIBE', headers: { event: 'message-summary', expires: '60' } })
    const response = await peer.nextResponse('SUBSCRIBE', 202)
    t.equal(valueOf(response, 'expires'), '60')
    t.match(valueOf(response, 'contact'), `127.0.0.1:${udp.port}`)
    const dialog = await subscribed
    t.equal(dialog.id, `${valueOf(subscribe, 'call-id') ?? ''};from-tag=from${peer.address.port}`)
    const headers = { Event: 'message-summary', 'Subscription-State': 'active;expires=60' }
    const notifying = dialog.request({ method: 'NOTIFY', headers })
    const notify = await peer.nextRequest('NOTIFY')
    t.equal(valueOf(notify, 'from'), valueOf(response, 'to'))
    t.equal(notify.uri, peer.uri)
    peer.respond(notify, udp, { status: 200 })
    t.equal((await notifying).status, 200)
    const refreshed = new Promise<string | undefined>((resolve) =>
      dialog.on('subscribe', (request, answer) => {
        resolve(request.get('Expires'))
        answer.send(200, { headers: { Expires: '30' } })
      }),
    )
    peer.inDialog(
      udp,
      { invite: subscribe, response },
      { method: 'SUBSCRIBE', cseq: 2, headers: { event: 'message-summary', expires: '30' } },
    )
    t.equal(valueOf(await peer.nextResponse('SUBSCRIBE', 200), 'expires'), '30')
    t.equal(await refreshed, '30')
    const leaving = dialog.destroy()
    const last = await peer.nextRequest('NOTIFY')
    t.equal(valueOf(last, 'subscription-state'), 'terminated')
    peer.respond(last, udp, { status: 200 })
    await leaving
    // The answer to the NOTIFY ends the dialog; it was sent before this request.
    peer.inDialog(
      udp,
      { invite: subscribe, response },
      { method: 'SUBSCRIBE', cseq: 3, headers: { event: 'message-summary' } },
    )
    t.equal((await peer.nextResponse('SUBSCRIBE', 200, 699)).status, 481)
  },
)

t.test('a REFER of the peer in a call: its NOTIFYs go on when the call has ended', async (t) => {
  let opened: (dialog: AppDialog) => void = () => undefined
  const called = new Promise<AppDialog>((resolve) => (opened = resolve))
  const { udp, peer, srf } = await served(t, (srf) =>
    srf.invite((request, response) => {
      void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
        dialog.on('refer', (_, answer) => answer.send(202))
        opened(dialog)
      })
    }),
  )
  t.ok(srf)
  const invite = peer.request(udp, { method: 'INVITE', body: SDP })
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  const dialog = await called
  peer.inDialog(
    udp,
    { invite, response },
    { method: 'REFER', cseq: 2, headers: { 'refer-to': '<sip:x@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>' } },
  )
  await peer.nextResponse('REFER', 202)
  const notify = async (state: string): Promise<void> => {
    const sent = dialog.request({
      method: 'NOTIFY',
      headers: { Event: 'refer', 'Subscription-State': state, 'Content-Type': 'message/sipfrag' },
      body: 'SIP/2.0 200 OK',
    })
    const request = await peer.nextRequest('NOTIFY')
    t.equal(valueOf(request, 'subscription-state'), state)
    t.equal(valueOf(request, 'to'), valueOf(invite, 'from'))
    peer.respond(request, udp, { status: 200 })
    t.equal((await sent).status, 200)
  }
  await notify('active;expires=60')
  peer.inDialog(udp, { invite, response }, { method: 'BYE', cseq: 3 })
  await peer.nextResponse('BYE', 200)
  await notify('active')
  const modifying: unknown = await dialog.request({ method: 'INFO' }).catch((error: unknown) => error)
  t.match(modifying, { code: 'ENODIALOG' }, 'the call is over')
  peer.inDialog(udp, { invite, response }, { method: 'INFO', cseq: 4 })
  t.equal((await peer.nextResponse('INFO', 200, 699)).status, 481)
  await notify('terminated;reason=noresource')
  const late: unknown = await dialog.request({ method: 'NOTIFY' }).catch((error: unknown) => error)
  t.match(late, { code: 'ENODIALOG' })
})

t.test('a REFER of the application in a call: NOTIFYs come up, also when the call has ended', async (t) => {
  const notified: (string | undefined)[] = []
  const { udp, peer, srf } = await served(t, (srf) =>
    srf.use('notify', (request, response) => {
      notified.push(request.get('Subscription-State'))
      response.send(200)
    }),
  )
  const calling = srf.createUAC(peer.uri, { localSdp: SDP })
  const invite = await peer.nextRequest('INVITE')
  peer.respond(invite, udp, { status: 200, tag: 'b', body: SDP })
  const dialog = await calling
  await peer.nextRequest('ACK')
  dialog.on('notify', (request, answer) => {
    notified.push(request.get('Subscription-State'))
    answer.send(200)
  })
  const referring = dialog.request({ method: 'REFER', headers: { 'Refer-To': '<sip:x@127.0.0.1>' } })
  peer.respond(await peer.nextRequest('REFER'), udp, { status: 202 })
  t.equal((await referring).status, 202)
  const notify = async (cseq: number, state: string): Promise<number> => {
    peer.request(udp, {
      method: 'NOTIFY',
      headers: { ...back(invite, 'b', `${cseq} NOTIFY`), event: 'refer', 'subscription-state': state },
    })
    return (await peer.nextResponse('NOTIFY', 200, 699)).status
  }
  t.equal(await notify(1, 'active'), 200)
  const leaving = dialog.destroy()
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
  await leaving
  t.equal(await notify(2, 'terminated;reason=noresource'), 200)
  t.same(notified, ['active', 'terminated;reason=noresource'])
  t.equal(await notify(3, 'active'), 481)
})

t.test('outside of a call: REFER both ways with its NOTIFYs in the dialog that it opens', async (t) => {
  const notified: (string | undefined)[] = []
  let answered: (sent: AppMessage & { readonly meta?: unknown }) => void = () => undefined
  const sent = new Promise<AppMessage>((resolve) => (answered = resolve))
  const { udp, peer, srf } = await served(t, (srf) => {
    srf.use('notify', (request, response) => {
      notified.push(request.get('Subscription-State'))
      response.send(200)
    })
    srf.use('refer', (_, response) => response.send(202, {}, (__, message) => answered(message)))
  })
  const request = await srf.request(peer.uri, { method: 'REFER', headers: { 'Refer-To': '<sip:x@127.0.0.1>' } })
  const accepted = new Promise<number>((resolve) => request.on('response', ({ status }) => resolve(status)))
  const refer = await peer.nextRequest('REFER')
  peer.request(udp, {
    method: 'NOTIFY',
    headers: { ...back(refer, 'r', '1 NOTIFY'), event: 'refer', 'subscription-state': 'terminated' },
  })
  peer.respond(refer, udp, { status: 202, tag: 'r' })
  t.equal(await accepted, 202)
  t.equal((await peer.nextResponse('NOTIFY', 200, 699)).status, 200)
  t.same(notified, ['terminated'])

  const theirs = peer.request(udp, { method: 'REFER', headers: { 'refer-to': '<sip:x@127.0.0.1>' } })
  const response: SipResponse = await peer.nextResponse('REFER', 202)
  await sent
  void srf.request('sip:placeholder', {
    method: 'NOTIFY',
    stackDialogId: `${valueOf(theirs, 'call-id') ?? ''};from-tag=from${peer.address.port}`,
    headers: { Event: 'refer', 'Subscription-State': 'terminated' },
  })
  const notify = await peer.nextRequest('NOTIFY')
  t.equal(valueOf(notify, 'from'), valueOf(response, 'to'))
  t.equal(notify.uri, peer.uri)
  peer.respond(notify, udp, { status: 200 })
})

t.test('a subscription that nobody refreshes ends by itself, and several REFERs are counted', (t) => {
  const clock = new FakeClock()
  let over = 0
  const subscriptions = new Subscriptions(clock, () => (over += 1))
  const subscribe = fakeRequest('SUBSCRIBE', { event: 'Presence', expires: '100' })
  subscriptions.accepted('us', subscribe, fakeResponse(subscribe, 200, { expires: '50' }))
  subscriptions.accepted('us', subscribe, fakeResponse(subscribe, 200, { expires: '50' }))
  t.equal(subscriptions.size, 1, 'a refresh is no second one')
  const active = fakeRequest('NOTIFY', { event: 'presence', 'subscription-state': 'Active ;expires=200' })
  subscriptions.notified('us', active, fakeResponse(active, 200))
  subscriptions.notified('peer', active, fakeResponse(active, 481))
  clock.advance(231_999)
  t.equal(over, 0)
  clock.advance(1)
  t.equal(over, 1)
  const refer = fakeRequest('REFER')
  for (let round = 0; round < 2; round += 1) subscriptions.accepted('peer', refer, fakeResponse(refer, 202))
  const done = fakeRequest('NOTIFY', { event: 'refer;id=7', 'subscription-state': 'terminated' })
  subscriptions.notified('peer', done, fakeResponse(done, 200))
  t.equal(over, 1)
  subscriptions.notified('peer', done, fakeResponse(done, 200))
  t.equal(over, 2)
  subscriptions.accepted('peer', refer, fakeResponse(refer, 202))
  subscriptions.notified('peer', active, fakeResponse(active, 200))
  const lost = {
    ...active,
    headers: [...active.headers.filter(({ key }) => key !== 'event'), header('Event', 'refer')],
  }
  subscriptions.notified('peer', lost, fakeResponse(lost, 481))
  t.equal(over, 3, 'a peer that does not know it')
  subscriptions.accepted('peer', refer, fakeResponse(refer, 202))
  subscriptions.stop()
  t.equal(clock.running, 0)
  t.end()
})
