import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { application, serve } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

t.test('what no application can answer is answered by the server itself', async (t) => {
  const { sipd, udp, metrics } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  peer.request(udp, { method: 'OPTIONS' })
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 503, 'no application is connected')
  peer.request(udp, { method: 'INVITE', body: SDP })
  const refused = await peer.nextResponse('INVITE', 200, 699)
  t.equal(refused.status, 503)
  t.match(valueOf(refused, 'to'), /;tag=/)

  await application(t, sipd, (srf) => srf.use('options', (_, response) => response.send(200)))
  peer.request(udp, { method: 'OPTIONS' })
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 200)
  peer.request(udp, { method: 'MESSAGE' })
  t.equal((await peer.nextResponse('MESSAGE', 200, 699)).status, 503, 'a verb that nobody routed')
  peer.request(udp, { method: 'DANCE' })
  t.equal((await peer.nextResponse('DANCE', 200, 699)).status, 501, 'a method that nobody knows')
  peer.request(udp, { method: 'MESSAGE', headers: { 'max-forwards': '0' } })
  t.equal((await peer.nextResponse('MESSAGE', 200, 699)).status, 483)
  peer.request(udp, { method: 'OPTIONS', headers: { 'max-forwards': '0' } })
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 200, 'OPTIONS that may not go further is for us')
  for (const method of ['BYE', 'UPDATE', 'PRACK', 'CANCEL']) {
    peer.request(udp, { method })
    t.equal((await peer.nextResponse(method, 200, 699)).status, 481, method)
  }
  peer.request(udp, { method: 'INFO', headers: { to: '<sip:service@127.0.0.1>;tag=unknown' } })
  t.equal((await peer.nextResponse('INFO', 200, 699)).status, 481)

  peer.request(udp, { method: 'OPTIONS', headers: { 'call-id': '' } })
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 400, 'no Call-ID')
  peer.request(udp, { method: 'OPTIONS', headers: { cseq: '1 INVITE' } })
  t.equal((await peer.nextResponse('INVITE', 200, 699)).status, 400, 'CSeq of another method')
  peer.request(udp, { method: 'OPTIONS', headers: { cseq: '4294967296 OPTIONS' } })
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 400, 'CSeq too large')
  const via = `SIP/2.0/UDP 127.0.0.1:${peer.address.port};branch=z9hG4bKv;rport`
  peer.sendRaw(
    `OPTIONS sip:a@b SIP/7.0\r\nVia: ${via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: v\r\nCSeq: 1 OPTIONS\r\n\r\n`,
    udp,
  )
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 505)
  peer.sendRaw('\u0000\u0001garbage', udp)
  peer.sendRaw('\r\n\r\n', udp)
  peer.request(udp, { method: 'OPTIONS' })
  t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 200, 'still alive')
  t.match(await metrics.registry.metrics(), /tonewall_sipd_malformed_total\{transport="udp",role="sipd"\} 5/)
})

t.test('a repeated request is answered again and reaches the application once', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  let seen = 0
  await application(t, sipd, (srf) =>
    srf.use('options', (_, response) => {
      seen += 1
      response.send(200)
    }),
  )
  const headers = { via: `SIP/2.0/UDP 127.0.0.1:${peer.address.port};branch=z9hG4bKsame;rport` }
  for (let round = 0; round < 3; round += 1) {
    peer.request(udp, { method: 'OPTIONS', headers })
    await peer.nextResponse('OPTIONS', 200)
  }
  t.equal(seen, 1)
})

t.test(
  'without rport the answer goes to the port of the Via, and received says where the request came from',
  async (t) => {
    const { sipd, udp } = await serve(t)
    const sender = await RawPeer.udp()
    const listener = await RawPeer.udp()
    t.teardown(() => Promise.all([sender.close(), listener.close()]))
    await application(t, sipd, (srf) => srf.use('options', (_, response) => response.send(200)))
    sender.request(udp, {
      method: 'OPTIONS',
      headers: { via: `SIP/2.0/UDP host.invalid:${listener.address.port};branch=z9hG4bKx` },
    })
    t.match(valueOf(await listener.nextResponse('OPTIONS', 200), 'via'), /received=127\.0\.0\.1/)
    sender.request(udp, {
      method: 'OPTIONS',
      headers: { via: `SIP/2.0/UDP host.invalid:${listener.address.port};rport;branch=z9hG4bKy` },
    })
    t.match(
      valueOf(await sender.nextResponse('OPTIONS', 200), 'via'),
      `received=127.0.0.1;rport=${sender.address.port}`,
    )
  },
)

t.test('the same INVITE by two paths is refused once with 482', async (t) => {
  const { sipd, udp } = await serve(t)
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  await application(t, sipd, (srf) => srf.invite((_, response) => response.send(180)))
  peer.request(udp, { method: 'INVITE', body: SDP, headers: { 'call-id': 'merged' } })
  await peer.nextResponse('INVITE', 180)
  peer.request(udp, { method: 'INVITE', body: SDP, headers: { 'call-id': 'merged' } })
  const merged = await peer.nextResponse('INVITE', 200, 699)
  t.equal(merged.status, 482)
  const [via, from, to] = ['via', 'from', 'to'].map((key) => valueOf(merged, key) ?? '')
  const headers = { via: via ?? '', from: from ?? '', to: to ?? '', 'call-id': 'merged', cseq: '1 ACK' }
  peer.request(udp, { method: 'ACK', headers })
  peer.request(udp, { method: 'INVITE', body: SDP, headers: { 'call-id': 'merged' } })
  t.equal((await peer.nextResponse('INVITE', 200, 699)).status, 482, 'the end of one copy opens no way for the next')
})

t.test(
  'in a dialog: an old CSeq is 500, a second INVITE before the answer 500, one that crosses ours 491',
  async (t) => {
    const { sipd, udp } = await serve(t)
    const peer = await RawPeer.udp()
    t.teardown(() => peer.close())
    await application(t, sipd, (srf) => {
      srf.invite((request, response) => {
        void srf.createUAS(request, response, { localSdp: SDP }).then((dialog) => {
          dialog.on('modify', () => undefined)
          dialog.on('info', (_, answer) => {
            answer.send(200)
            void dialog.modify(SDP)
          })
        })
      })
    })
    const invite = peer.request(udp, { method: 'INVITE', body: SDP, headers: { cseq: '10 INVITE' } })
    const response = await peer.nextResponse('INVITE', 200)
    peer.inDialog(udp, { invite, response }, { method: 'ACK', cseq: 10 })
    peer.inDialog(udp, { invite, response }, { method: 'OPTIONS', cseq: 9 })
    t.equal((await peer.nextResponse('OPTIONS', 200, 699)).status, 500)
    peer.inDialog(udp, { invite, response }, { method: 'INFO', cseq: 11 })
    await peer.nextResponse('INFO', 200)
    const ours = await peer.nextRequest('INVITE')
    peer.inDialog(udp, { invite, response }, { method: 'INVITE', cseq: 12, body: SDP })
    t.equal((await peer.nextResponse('INVITE', 200, 699)).status, 491)
    peer.respond(ours, udp, { status: 200, body: SDP })
    await peer.nextRequest('ACK')
    peer.inDialog(udp, { invite, response }, { method: 'INVITE', cseq: 13, body: `${SDP}a=x\r\n` })
    await peer.nextResponse('INVITE', 100)
    peer.inDialog(udp, { invite, response }, { method: 'INVITE', cseq: 14, body: `${SDP}a=y\r\n` })
    const early = await peer.nextResponse('INVITE', 500)
    t.match(valueOf(early, 'retry-after'), /^\d+$/)
    peer.inDialog(udp, { invite, response }, { method: 'BYE', cseq: 15 })
    await peer.nextResponse('BYE', 200)
    t.equal((await peer.nextResponse('INVITE', 487)).status, 487, 'BYE ends the INVITE that waits')
  },
)
