import t, { type Test } from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { application, serve, type AppDialog, type AppResponse } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

/** A call with an application that keeps every UPDATE and re-INVITE until the test answers it. */
async function talking(t: Test) {
  const { sipd, udp } = await serve(t, { limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const waiting: AppResponse[] = []
  let kept: () => void = () => undefined
  let opened: (dialog: AppDialog) => void = () => undefined
  const called = new Promise<AppDialog>((resolve) => (opened = resolve))
  const keep = (_: unknown, answer: AppResponse): void => {
    waiting.push(answer)
    kept()
  }
  await application(t, sipd, (srf) =>
    srf.invite((request, response) => {
      void srf
        .createUAS(request, response, { localSdp: SDP })
        .then((dialog) => opened(dialog.on('update', keep).on('modify', keep)))
    }),
  )
  const invite = peer.request(udp, { method: 'INVITE', body: SDP })
  const response = await peer.nextResponse('INVITE', 200)
  peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 1 })
  const dialog = await called
  let cseq = 1
  const send = (method: string, body?: string): void => {
    cseq += 1
    peer.inDialog(udp, { invite, response }, { method, cseq, ...(body === undefined ? {} : { body }) })
  }
  const arrived = (): Promise<void> => new Promise((resolve) => (kept = resolve))
  return { peer, udp, dialog, waiting, send, arrived }
}

t.test('a second UPDATE or INVITE before the answer to an UPDATE is 500 with Retry-After', async (t) => {
  const { peer, waiting, send, arrived } = await talking(t)
  const first = arrived()
  send('UPDATE', SDP)
  await first
  for (const method of ['UPDATE', 'INVITE']) {
    send(method, `${SDP}a=x\r\n`)
    const refused = await peer.nextResponse(method, 200, 699)
    t.equal(refused.status, 500, method)
    t.match(valueOf(refused, 'retry-after'), /^(?:\d|10)$/)
  }
  const invite = peer.log.findLast((message) => message.kind === 'response' && message.status === 500)
  t.ok(invite)
  waiting[0]?.send(200, { body: SDP })
  t.equal((await peer.nextResponse('UPDATE', 200)).body.toString(), SDP)
  const second = arrived()
  send('UPDATE', SDP)
  await second
  waiting[1]?.send(200, { body: SDP })
  await peer.nextResponse('UPDATE', 200)
})

t.test('what crosses an UPDATE or INVITE of ours is 491', async (t) => {
  const { peer, udp, dialog, send } = await talking(t)
  const updating = dialog.request({ method: 'UPDATE', body: SDP })
  const update = await peer.nextRequest('UPDATE')
  for (const method of ['UPDATE', 'INVITE']) {
    send(method, SDP)
    t.equal((await peer.nextResponse(method, 200, 699)).status, 491, method)
  }
  peer.respond(update, udp, { status: 200, body: SDP })
  t.equal((await updating).status, 200)
  const modifying = dialog.modify(SDP)
  const reinvite = await peer.nextRequest('INVITE')
  send('UPDATE', SDP)
  t.equal((await peer.nextResponse('UPDATE', 200, 699)).status, 491)
  peer.respond(reinvite, udp, { status: 200, body: SDP })
  await modifying
})

t.test('an UPDATE with an offer while a re-INVITE of the peer has no answer is 500', async (t) => {
  const { peer, waiting, send, arrived } = await talking(t)
  const first = arrived()
  send('INVITE', `${SDP}a=x\r\n`)
  await first
  send('UPDATE', SDP)
  t.equal((await peer.nextResponse('UPDATE', 200, 699)).status, 500)
  waiting[0]?.send(200, { body: SDP })
  await peer.nextResponse('INVITE', 200)
})

t.test(
  'an UPDATE that crosses another request of ours waits for its answer: drachtio-srf would not answer',
  async (t) => {
    const { peer, udp, dialog, waiting, send, arrived } = await talking(t)
    const asking = dialog.request({ method: 'INFO' })
    const info = await peer.nextRequest('INFO')
    const passed = arrived()
    send('UPDATE')
    send('OPTIONS')
    await peer.nextResponse('OPTIONS', 200)
    t.equal(waiting.length, 0)
    peer.respond(info, udp, { status: 200 })
    await asking
    await passed
    waiting[0]?.send(200)
    await peer.nextResponse('UPDATE', 200)
  },
)

t.test('as a caller: UPDATE in the early dialog, from both sides, and an INVITE there is 491', async (t) => {
  const { sipd, udp } = await serve(t, { limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  let id = ''
  const calling = srf.createUAC(
    peer.uri,
    { localSdp: SDP, headers: { Supported: '100rel' } },
    {
      cbRequest: (_, request) =>
        (id = `${request.get('call-id') ?? ''};from-tag=${/tag=(.*)/.exec(request.get('from') ?? '')?.[1] ?? ''}`),
    },
  )
  const invite = await peer.nextRequest('INVITE')
  const back = (method: string, cseq: number, body: string): void => {
    peer.request(udp, {
      method,
      headers: {
        from: `${valueOf(invite, 'to') ?? ''};tag=b`,
        to: valueOf(invite, 'from') ?? '',
        'call-id': valueOf(invite, 'call-id') ?? '',
        cseq: `${cseq} ${method}`,
        'content-type': 'application/sdp',
      },
      body,
    })
  }
  peer.respond(invite, udp, { status: 183, tag: 'b', body: SDP, headers: { Require: '100rel', RSeq: '1' } })
  peer.respond(await peer.nextRequest('PRACK'), udp, { status: 200 })
  back('UPDATE', 1, SDP)
  t.equal((await peer.nextResponse('UPDATE', 200, 699)).status, 200, 'which srf answers with its offer')
  back('INVITE', 2, SDP)
  t.equal((await peer.nextResponse('INVITE', 200, 699)).status, 491)
  const sent = srf.request('sip:placeholder', { method: 'UPDATE', stackDialogId: id, body: SDP })
  const update = await peer.nextRequest('UPDATE')
  t.equal(valueOf(update, 'to'), `${valueOf(invite, 'to') ?? ''};tag=b`)
  peer.respond(update, udp, { status: 200, body: SDP })
  await sent
  peer.respond(invite, udp, { status: 200, tag: 'b' })
  await calling
})
