import t from 'tap'
import { valueOf } from '../../src/sipd/message.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { application, serve, type AppDialog } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const HOST = '::1'
const ANY = { host: HOST, port: 0 }
const authority = new SipAuthority()
const leaf = authority.leaf({ ip: [HOST], dns: ['v6.example'] })
const identity = { ...leaf, authority: authority.certificate }

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  t.test(`a bridged call over IPv6 and ${transport}`, async (t) => {
    const served = await serve(t, {
      udp: [ANY],
      tcp: [ANY],
      tls: { addresses: [ANY], identity: { ...identity, mutual: true } },
    })
    const to = served[transport]
    if (to === undefined) throw new Error('not listening')
    const peer = (): Promise<RawPeer> => (transport === 'tls' ? RawPeer.tls(identity, HOST) : RawPeer[transport](HOST))
    const caller = await peer()
    const callee = await peer()
    t.teardown(() => Promise.all([caller.close(), callee.close()]))
    const seen: unknown[] = []
    let bridged: (dialogs: { uas: AppDialog; uac: AppDialog }) => void = () => undefined
    const result = new Promise<{ uas: AppDialog; uac: AppDialog }>((resolve) => (bridged = resolve))
    await application(t, served.sipd, (srf) => {
      srf.invite((request, response) => {
        seen.push(request.source_address)
        void srf.createB2BUA(request, response, callee.uri, { localSdpB: request.body }).then((dialogs) => {
          dialogs.uas.on('destroy', () => void dialogs.uac.destroy())
          bridged(dialogs)
        })
      })
    })
    const invite = caller.request(to, { method: 'INVITE', body: SDP })
    const inviteB = await callee.nextRequest('INVITE')
    t.match(valueOf(inviteB, 'via'), new RegExp(`^SIP/2\\.0/${transport.toUpperCase()} \\[::1\\]:${to.port};`))
    t.match(valueOf(inviteB, 'contact'), `@[::1]:${to.port}`.slice(1))
    callee.respond(inviteB, to, { status: 200, tag: 'b', body: SDP })
    const response = await caller.nextResponse('INVITE', 200)
    t.match(valueOf(response, 'via'), /;received=::1;rport=\d+/, 'RFC 3581, and the address as RFC 3261 writes it')
    t.match(valueOf(response, 'contact'), `[::1]:${to.port}`)
    caller.inDialog(to, { invite, response }, { method: 'ACK', cseq: 1 })
    await callee.nextRequest('ACK')
    await result
    t.same(seen, [HOST])
    caller.inDialog(to, { invite, response }, { method: 'BYE', cseq: 2 })
    await caller.nextResponse('BYE', 200)
    callee.respond(await callee.nextRequest('BYE'), to, { status: 200 })
  })
}

t.test('both wildcards can stand side by side, each with its own family', async (t) => {
  const first = await serve(t, { udp: [{ host: '0.0.0.0', port: 0 }], tcp: [{ host: '0.0.0.0', port: 0 }] })
  const { sipd } = await serve(t, {
    udp: [{ host: '::', port: first.udp.port }],
    tcp: [{ host: '::', port: first.tcp.port }],
  })
  t.equal(sipd.addresses.udp[0]?.port, first.udp.port)
  const peer = await RawPeer.udp(HOST)
  t.teardown(() => peer.close())
  peer.request({ host: HOST, port: first.udp.port }, { method: 'OPTIONS' })
  await peer.nextResponse('OPTIONS', 503)
  t.same(peer.lastFrom, { host: HOST, port: first.udp.port })
})
