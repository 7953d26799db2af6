import t, { type Test } from 'tap'
import { listOf, valueOf, type SipMessage } from '../../src/sipd/message.ts'
import { DnsServer } from '../fakes/dns-server.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { application, serve, type AppMessage, type AppRequest } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

/** Short enough that a silent server costs about a second, long enough for a machine that is busy. */
const QUICK = { limits: { t1Ms: 20, t2Ms: 80, t4Ms: 100 } }

/** A sipd that asks a DNS server of the test's own, where `carrier.test` has these servers, the first preferred. */
async function carrier(t: Test, peers: readonly RawPeer[], options: object = {}) {
  const dns = await DnsServer.open()
  const served = await serve(t, { ...QUICK, ...options, resolvers: [dns.address] })
  t.teardown(async () => {
    await Promise.all(peers.map((peer) => peer.close()))
    await dns.close()
  })
  dns.set(
    '_sip._udp.carrier.test',
    'SRV',
    peers.map(({ address }, priority) => ({
      type: 'SRV',
      priority,
      weight: 0,
      port: address.port,
      target: 'host.test',
    })),
  )
  dns.set('host.test', 'A', [{ type: 'A', address: '127.0.0.1' }])
  const srf = await application(t, served.sipd)
  return { ...served, dns, srf }
}

t.test('a 503 and a silent server are passed over: the same call, a new branch, one dialog', async (t) => {
  const [busy, silent, good] = [await RawPeer.udp(), await RawPeer.udp(), await RawPeer.udp()]
  const { srf, udp } = await carrier(t, [busy, silent, good])
  const heard: number[] = []
  const calling = srf.createUAC(
    'sip:4711@carrier.test',
    { localSdp: SDP },
    { cbProvisional: ({ status }) => heard.push(status) },
  )
  const first = await busy.nextRequest('INVITE')
  busy.respond(first, udp, { status: 100 })
  busy.respond(first, udp, { status: 503, tag: 'x', headers: { 'retry-after': '60' } })
  const ack = await busy.nextRequest('ACK')
  t.equal(valueOf(ack, 'via'), valueOf(first, 'via'))
  const second = await silent.nextRequest('INVITE')
  const third = await good.nextRequest('INVITE')
  for (const key of ['call-id', 'cseq', 'from', 'to', 'contact', 'max-forwards'])
    t.same([valueOf(second, key), valueOf(third, key)], [valueOf(first, key), valueOf(first, key)], key)
  t.equal(new Set([first, second, third].map((invite) => valueOf(invite, 'via'))).size, 3)
  t.equal(listOf(third, 'via').length, 1)
  good.respond(third, udp, { status: 180, tag: 'g' })
  good.respond(third, udp, { status: 200, tag: 'g', body: SDP })
  const dialog = await calling
  await good.nextRequest('ACK')
  t.notOk(heard.includes(503))
  t.ok(heard.includes(180))
  void dialog.destroy()
  good.respond(await good.nextRequest('BYE'), udp, { status: 200 })

  const again = srf.createUAC('sip:4712@carrier.test', { localSdp: SDP }).catch((error: unknown) => error)
  const isAgain = (message: SipMessage): boolean => message.kind === 'request' && message.uri.startsWith('sip:4712')
  const next = await good.next(isAgain, 'the second call, at once at the server that works')
  if (next.kind !== 'request') throw new Error('not a request')
  t.equal(
    [busy, silent].flatMap(({ log }) => log).filter(isAgain).length,
    0,
    'those that failed are not asked first again',
  )
  good.respond(next, udp, { status: 486, tag: 'n' })
  t.match(await again, { status: 486 })
})

t.test('when all have failed the application hears of the last one; what rang does not move', async (t) => {
  const [one, two] = [await RawPeer.udp(), await RawPeer.udp()]
  const { srf, udp } = await carrier(t, [one, two])
  const calling = srf.createUAC('sip:1@carrier.test', { localSdp: SDP }).catch((error: unknown) => error)
  const first = await one.nextRequest('INVITE')
  one.respond(first, udp, { status: 503, tag: 'a' })
  const second = await two.nextRequest('INVITE')
  two.respond(second, udp, { status: 503, tag: 'b', headers: { 'x-last': 'yes' } })
  t.match(await calling, { status: 503 })
  const ringing = srf.createUAC('sip:2@carrier.test', { localSdp: SDP }).catch((error: unknown) => error)
  const third = await one.nextRequest('INVITE')
  one.respond(third, udp, { status: 180, tag: 'c' })
  one.respond(third, udp, { status: 503, tag: 'c' })
  t.match(await ringing, { status: 503 })
  t.equal(two.log.filter((message) => message.kind === 'request' && message.uri === 'sip:2@carrier.test').length, 0)
})

t.test('a call that is cancelled while a server is silent goes to no other, and ends as cancelled', async (t) => {
  const [silent, other] = [await RawPeer.udp(), await RawPeer.udp()]
  const { srf } = await carrier(t, [silent, other])
  const calling = srf
    .createUAC(
      'sip:1@carrier.test',
      { localSdp: SDP },
      { cbRequest: (_: Error | null, request: AppRequest) => request.cancel(() => undefined) },
    )
    .catch((error: unknown) => error)
  await silent.nextRequest('INVITE')
  t.match(await calling, { status: 487 })
  t.equal(other.log.length, 0)
  t.notOk(
    silent.log.some((message) => message.kind === 'request' && message.method === 'CANCEL'),
    'it never answered',
  )
})

t.test('other requests move too, and from TCP that is refused to UDP by NAPTR', async (t) => {
  const good = await RawPeer.udp()
  const { srf, udp, dns } = await carrier(t, [good])
  const closed = await RawPeer.tcp()
  await closed.close()
  const naptr = { type: 'NAPTR', preference: 1, flags: 's' } as const
  dns.set('two.test', 'NAPTR', [
    { ...naptr, order: 1, service: 'SIP+D2T', replacement: '_sip._tcp.two.test' },
    { ...naptr, order: 1, preference: 2, service: 'SIP+D2U', replacement: '_sip._udp.two.test' },
  ])
  const srv = { type: 'SRV', priority: 1, weight: 1, target: 'host.test' } as const
  dns.set('_sip._tcp.two.test', 'SRV', [{ ...srv, port: closed.address.port }])
  dns.set('_sip._udp.two.test', 'SRV', [{ ...srv, port: good.address.port }])
  const asked = srf.request('sip:two.test', { method: 'OPTIONS' })
  const options = await good.nextRequest('OPTIONS')
  t.match(valueOf(options, 'via'), /^SIP\/2\.0\/UDP /)
  good.respond(options, udp, { status: 200, tag: 'o' })
  const answer = new Promise<AppMessage>((resolve) => {
    void asked.then((request) => request.on('response', resolve))
  })
  t.match(await answer, { status: 200 })
  const calling = srf.createUAC('sip:a@two.test', { localSdp: SDP }).catch((error: unknown) => error)
  const invite = await good.nextRequest('INVITE')
  t.notMatch(valueOf(invite, 'contact'), /transport=tcp/i, 'the Contact is that of the transport used')
  good.respond(invite, udp, { status: 404, tag: 'i' })
  t.match(await calling, { status: 404 })
})

t.test('a name that nobody knows is 503, and one that DNS does not answer in time as well', async (t) => {
  const { srf, dns } = await carrier(t, [], { limits: { ...QUICK.limits, resolveMs: 100 } })
  dns.trouble('slow.test', 'NAPTR', { kind: 'silent' })
  const failed = ['sip:unknown.test', 'sip:slow.test'].map((uri) =>
    srf.createUAC(uri, { localSdp: SDP }).catch((error: unknown) => error),
  )
  t.match(await Promise.all(failed), [{ status: 503 }, { status: 503 }])
})

t.test('a TLS server that SRV names proves the domain of the URI, not the name that DNS gave', async (t) => {
  const dns = await DnsServer.open()
  t.teardown(() => dns.close())
  const authority = new SipAuthority()
  const identity = { ...authority.leaf({ dns: ['sbc.example'] }), authority: authority.certificate }
  const tls = { addresses: [{ host: '127.0.0.1', port: 0 }], identity: { ...identity, mutual: true } }
  const served = await serve(t, { ...QUICK, tls, resolvers: [dns.address] })
  const srf = await application(t, served.sipd)
  dns.set('host.test', 'A', [{ type: 'A', address: '127.0.0.1' }])
  for (const [domain, proves] of [
    ['good.test', 'good.test'],
    ['bad.test', 'host.test'],
  ] as const) {
    const peer = await RawPeer.tls({ ...authority.leaf({ sip: [proves] }), authority: authority.certificate })
    t.teardown(() => peer.close())
    dns.set(`_sips._tcp.${domain}`, 'SRV', [
      { type: 'SRV', priority: 1, weight: 1, port: peer.address.port, target: 'host.test' },
    ])
    const calling = srf.createUAC(`sips:4711@${domain}`, { localSdp: SDP }).catch((error: unknown) => error)
    if (domain === 'good.test') {
      const invite = await peer.nextRequest('INVITE')
      peer.respond(invite, peer.lastFrom ?? peer.address, { status: 486, tag: 'g' })
    }
    t.match(await calling, { status: domain === 'good.test' ? 486 : 503 }, domain)
    t.equal(peer.log.length > 0, domain === 'good.test')
  }
})

t.test('an answer whose connection is gone goes to the name in the Via, by SRV where it has no port', async (t) => {
  const dns = await DnsServer.open()
  t.teardown(() => dns.close())
  const served = await serve(t, { resolvers: [dns.address] })
  const home = await RawPeer.tcp()
  const visitor = await RawPeer.tcp()
  t.teardown(() => home.close())
  dns.set('_sip._tcp.home.test', 'SRV', [
    { type: 'SRV', priority: 1, weight: 1, port: home.address.port, target: 'host.test' },
  ])
  dns.set('host.test', 'A', [{ type: 'A', address: '127.0.0.1' }])
  const release = new Promise<(status: number) => void>((resolve) => {
    void application(t, served.sipd, (srf) => {
      srf.use('message', (_, response) => resolve((status) => response.send(status)))
    }).then(() => {
      visitor.request(served.tcp, { method: 'MESSAGE', headers: { via: 'SIP/2.0/TCP home.test;branch=z9hG4bKhome1' } })
    })
  })
  const answer = await release
  await visitor.close()
  answer(202)
  const response = await home.nextResponse('MESSAGE', 202)
  t.match(valueOf(response, 'via'), /^SIP\/2\.0\/TCP home\.test;.*received=127\.0\.0\.1/)
})
