import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { application, serve, type AppMessage, type AppRequest } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

for (const transport of ['udp', 'tcp'] as const) {
  t.test(`drachtio-srf calls out over ${transport}: early media, answer, INFO, re-INVITE, BYE`, async (t) => {
    const served = await serve(t)
    const to = served[transport]
    const peer = await RawPeer[transport]()
    t.teardown(() => peer.close())
    const srf = await application(t, served.sipd)
    const early: AppMessage[] = []
    const calling = srf.createUAC(
      peer.uri,
      { localSdp: SDP, callingNumber: '1234', headers: { 'X-Trunk': 'carrier' } },
      { cbProvisional: (response) => early.push(response) },
    )
    const invite = await peer.nextRequest('INVITE')
    t.match(
      valueOf(invite, 'from'),
      `<sip:1234@127.0.0.1:${to.port}>;tag=`,
      '@localhost became the address of the socket',
    )
    t.match(valueOf(invite, 'contact'), `<sip:1234@127.0.0.1:${to.port}${transport === 'tcp' ? ';transport=tcp' : ''}>`)
    t.match(valueOf(invite, 'via'), `SIP/2.0/${transport.toUpperCase()} 127.0.0.1:${to.port};branch=z9hG4bK`)
    t.equal(valueOf(invite, 'x-trunk'), 'carrier')
    peer.respond(invite, to, { status: 100 })
    peer.respond(invite, to, { status: 183, tag: 'callee', body: SDP })
    peer.respond(invite, to, { status: 200, tag: 'callee', body: SDP })
    const dialog = await calling
    const ack = await peer.nextRequest('ACK')
    t.equal(ack.uri, peer.uri)
    t.equal(valueOf(ack, 'cseq')?.split(' ')[0], valueOf(invite, 'cseq')?.split(' ')[0])
    t.same(
      early.map(({ status }) => status),
      [100, 183],
    )
    t.equal(early[1]?.body, SDP)
    t.equal(dialog.sip.remoteTag, 'callee')

    peer.respond(invite, to, { status: 200, tag: 'callee', body: SDP })
    const again = await peer.nextRequest('ACK')
    t.equal(valueOf(again, 'via'), valueOf(ack, 'via'), 'a repeated 200 gets the same ACK again')

    const asking = dialog.request({
      method: 'INFO',
      headers: { 'Content-Type': 'application/dtmf-relay' },
      body: 'Signal=x',
    })
    const info = await peer.nextRequest('INFO')
    t.equal(info.body.toString(), 'Signal=x')
    peer.respond(info, to, { status: 200 })
    t.equal((await asking).status, 200)

    const modifying = dialog.modify(SDP.replace('4000', '4002'))
    const reinvite = await peer.nextRequest('INVITE')
    t.match(reinvite.body.toString(), '4002')
    t.ok(Number(valueOf(reinvite, 'cseq')?.split(' ')[0]) > Number(valueOf(info, 'cseq')?.split(' ')[0]))
    peer.respond(reinvite, to, { status: 200, body: SDP })
    t.equal(await modifying, SDP)
    t.equal(valueOf(await peer.nextRequest('ACK'), 'cseq'), valueOf(reinvite, 'cseq')?.replace('INVITE', 'ACK'))

    const refused = dialog.modify(SDP)
    peer.respond(await peer.nextRequest('INVITE'), to, { status: 488 })
    t.equal(await failure(refused), 488)
    t.equal((await peer.nextRequest('ACK')).method, 'ACK', 'the ACK of a refusal is automatic')

    const leaving = dialog.destroy()
    peer.respond(await peer.nextRequest('BYE'), to, { status: 200 })
    await leaving
  })
}

t.test('a refused call hears the status, and the peer gets one automatic ACK', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const calling = srf.createUAC(peer.uri, { localSdp: SDP })
  const invite = await peer.nextRequest('INVITE')
  peer.respond(invite, udp, { status: 486, tag: 'busy' })
  t.equal(await failure(calling), 486)
  const ack = await peer.nextRequest('ACK')
  t.equal(valueOf(ack, 'via'), valueOf(invite, 'via'), 'the same branch')
  t.match(valueOf(ack, 'to'), /tag=busy/)
})

t.test('CANCEL waits for a provisional answer; the 487 ends the call', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  let cancelled: Promise<void> | undefined
  const calling = srf.createUAC(
    peer.uri,
    { localSdp: SDP },
    {
      cbRequest: (_, request: AppRequest) => {
        cancelled = new Promise((resolve, reject) =>
          request.cancel((error) => (error === null ? resolve() : reject(error))),
        )
      },
    },
  )
  const invite = await peer.nextRequest('INVITE')
  await cancelled
  t.notOk(
    peer.log.some((message) => message.kind === 'request' && message.method === 'CANCEL'),
    'not before a provisional answer',
  )
  peer.respond(invite, udp, { status: 180, tag: 'ringing' })
  const cancel = await peer.nextRequest('CANCEL')
  t.equal(valueOf(cancel, 'via'), valueOf(invite, 'via'))
  t.equal(cancel.uri, invite.uri)
  peer.respond(cancel, udp, { status: 200 })
  peer.respond(invite, udp, { status: 487, tag: 'ringing' })
  t.equal(await failure(calling), 487)
  await peer.nextRequest('ACK')
})

t.test('the second fork that answers is acknowledged and hung up', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const calling = srf.createUAC(peer.uri, { localSdp: SDP })
  const invite = await peer.nextRequest('INVITE')
  peer.respond(invite, udp, { status: 180, tag: 'one' })
  peer.respond(invite, udp, { status: 180, tag: 'two' })
  peer.respond(invite, udp, { status: 200, tag: 'two', body: SDP })
  const dialog = await calling
  t.equal(dialog.sip.remoteTag, 'two')
  t.match(valueOf(await peer.nextRequest('ACK'), 'to'), /tag=two/)
  peer.respond(invite, udp, { status: 200, tag: 'one', body: SDP })
  t.match(valueOf(await peer.nextRequest('ACK'), 'to'), /tag=one/)
  const bye = await peer.nextRequest('BYE')
  t.match(valueOf(bye, 'to'), /tag=one/)
  peer.respond(bye, udp, { status: 200 })
  const leaving = dialog.destroy()
  const second = await peer.nextRequest('BYE')
  t.match(valueOf(second, 'to'), /tag=two/)
  peer.respond(second, udp, { status: 200 })
  await leaving
})

t.test(
  'a silent peer is 408 after 64 * T1, a refused TCP connection 503, and a BYE that nobody answers still resolves',
  async (t) => {
    const { sipd, udp } = await serve(t, { limits: { t1Ms: 10 } })
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    const srf = await application(t, sipd)
    t.equal(await failure(srf.createUAC(peer.uri, { localSdp: SDP })), 408)
    const invites = peer.log.filter((message) => message.kind === 'request' && message.method === 'INVITE')
    t.ok(invites.length >= 5, 'the INVITE was repeated')
    const closed = await RawPeer.tcp()
    await closed.close()
    t.equal(await failure(srf.createUAC(closed.uri, { localSdp: SDP })), 503)
    t.equal(await failure(srf.createUAC('sip:nobody@does-not-exist.invalid', { localSdp: SDP })), 503)
    await t.rejects(srf.createUAC('sips:peer@127.0.0.1:5061', { localSdp: SDP }), /requested protocol/)
    const calling = srf.createUAC(peer.uri.replace('peer@', 'second@'), { localSdp: SDP })
    const invite = await peer.next(
      (message) => message.kind === 'request' && message.uri.includes('second'),
      'second INVITE',
    )
    if (invite.kind === 'request') peer.respond(invite, udp, { status: 200, tag: 'callee', body: SDP })
    const dialog = await calling
    await dialog.destroy()
    t.equal(await failure(dialog.request({ method: 'INFO' })), 'ENODIALOG')
  },
)

t.test('a reliable 183 is acknowledged by PRACK in the early dialog, once', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const seen: number[] = []
  const calling = srf.createUAC(
    peer.uri,
    { localSdp: SDP, headers: { Supported: '100rel' } },
    { cbProvisional: ({ status }) => seen.push(status) },
  )
  const invite = await peer.nextRequest('INVITE')
  const reliable = { status: 183, tag: 'callee', body: SDP, headers: { Require: '100rel', RSeq: '7' } }
  peer.respond(invite, udp, reliable)
  const prack = await peer.nextRequest('PRACK')
  t.equal(valueOf(prack, 'rack'), `7 ${valueOf(invite, 'cseq') ?? ''}`)
  peer.respond(invite, udp, reliable)
  peer.respond(prack, udp, { status: 200 })
  peer.respond(invite, udp, { status: 200, tag: 'callee' })
  const dialog = await calling
  t.same(seen, [183])
  await peer.nextRequest('ACK')
  const leaving = dialog.destroy()
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
  await leaving
})

t.test('a digest challenge is answered with the same Call-ID and From, and the next CSeq', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const calling = srf.createUAC(peer.uri, { localSdp: SDP, auth: { username: 'u', password: 'p' } })
  const invite = await peer.nextRequest('INVITE')
  peer.respond(invite, udp, {
    status: 401,
    tag: 'x',
    headers: { 'WWW-Authenticate': 'Digest realm="r",nonce="n",algorithm=MD5' },
  })
  await peer.nextRequest('ACK')
  const second = await peer.nextRequest('INVITE')
  t.equal(valueOf(second, 'call-id'), valueOf(invite, 'call-id'))
  t.equal(valueOf(second, 'from'), valueOf(invite, 'from'))
  t.equal(valueOf(second, 'cseq'), `${Number(valueOf(invite, 'cseq')?.split(' ')[0]) + 1} INVITE`)
  t.match(valueOf(second, 'authorization'), /^Digest username="u"/)
  peer.respond(second, udp, { status: 200, tag: 'callee', body: SDP })
  const dialog = await calling
  const leaving = dialog.destroy()
  peer.respond(await peer.nextRequest('BYE'), udp, { status: 200 })
  await leaving
})

t.test('OPTIONS outside a dialog goes out and its answer comes back, also through an outbound proxy', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  const srf = await application(t, sipd)
  const sent = await srf.request('sip:somebody@example.invalid', { method: 'OPTIONS', proxy: peer.uri })
  const answered = new Promise<AppMessage>((resolve) => sent.on('response', (response) => resolve(response)))
  const options = await peer.nextRequest('OPTIONS')
  t.equal(options.uri, 'sip:somebody@example.invalid')
  peer.respond(options, udp, { status: 204, tag: 'x' })
  t.equal((await answered).status, 204)
})

t.test('the route set of a proxy is followed, loose or strict', async (t) => {
  const { sipd, udp } = await serve(t)
  const callee = await RawPeer.udp()
  const proxy = await RawPeer.udp()
  t.teardown(() => Promise.all([callee.close(), proxy.close()]))
  const srf = await application(t, sipd)
  for (const lr of [';lr', '']) {
    const calling = srf.createUAC(callee.uri, { localSdp: SDP, proxy: proxy.uri })
    const invite = await proxy.nextRequest('INVITE')
    const hop = `sip:127.0.0.1:${proxy.address.port}${lr}`
    proxy.respond(invite, udp, { status: 200, tag: 'callee', body: SDP, headers: { 'Record-Route': `<${hop}>` } })
    const dialog = await calling
    const ack = await proxy.nextRequest('ACK')
    const target = proxy.uri
    t.equal(ack.uri, lr === '' ? hop : target)
    t.equal(valueOf(ack, 'route'), lr === '' ? `<${target}>` : `<${hop}>`)
    const leaving = dialog.destroy()
    proxy.respond(await proxy.nextRequest('BYE'), udp, { status: 200 })
    await leaving
  }
})

/** The status or code of what a promise was rejected with. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
    return 'no failure'
  } catch (error) {
    if (typeof error !== 'object' || error === null) return error
    return 'status' in error ? error.status : 'code' in error ? error.code : undefined
  }
}
