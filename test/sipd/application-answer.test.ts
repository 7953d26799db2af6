import t, { type Test } from 'tap'
import { listOf, valueOf } from '../../src/sipd/message.ts'
import { application, serve, type AppMessage, type Application } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

async function served(t: Test, routes: (srf: Application) => void = () => undefined) {
  const { sipd, udp } = await serve(t, { limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  return { udp, peer, srf: await application(t, sipd, routes) }
}

t.test('MESSAGE, PUBLISH, OPTIONS, REGISTER, INFO and NOTIFY outside of a dialog pass both ways', async (t) => {
  const seen: AppMessage[] = []
  const methods = ['MESSAGE', 'PUBLISH', 'OPTIONS', 'REGISTER', 'INFO', 'NOTIFY']
  const { udp, peer, srf } = await served(t, (srf) => {
    for (const method of methods)
      srf.use(method.toLowerCase(), (request, response) => {
        seen.push(request)
        response.send(200, { headers: { 'X-Answer': method } })
      })
  })
  for (const method of methods) {
    peer.request(udp, {
      method,
      headers: { 'x-note': 'kept', event: 'presence', 'content-type': 'text/plain' },
      body: 'text',
    })
    t.equal(valueOf(await peer.nextResponse(method, 200), 'x-answer'), method)
    t.equal(seen.at(-1)?.body, 'text')
    t.equal(seen.at(-1)?.get('X-Note'), 'kept')
    const sent = await srf.request(peer.uri, { method, headers: { 'Content-Type': 'text/plain' }, body: 'back' })
    const answered = new Promise<AppMessage>((resolve) => sent.on('response', (response) => resolve(response)))
    const request = await peer.nextRequest(method)
    t.equal(request.body.toString(), 'back')
    t.equal(valueOf(request, 'content-type'), 'text/plain')
    peer.respond(request, udp, { status: 202, tag: 'x', headers: { 'X-More': 'kept too' } })
    const response = await answered
    t.same([response.status, response.get('X-More')], [202, 'kept too'])
  }
})

t.test('a registrar says which bindings it has, not where the server is', async (t) => {
  const { udp, peer } = await served(t, (srf) =>
    srf.use('register', (request, response) =>
      response.send(200, { headers: { Contact: `${request.get('Contact') ?? ''};expires=300`, Expires: '300' } }),
    ),
  )
  peer.request(udp, { method: 'REGISTER' })
  t.equal(valueOf(await peer.nextResponse('REGISTER', 200), 'contact'), `<${peer.uri}>;expires=300`)
})

t.test('each challenge has a line of its own: drachtio-srf joins them, which SIP forbids', async (t) => {
  const challenges = [
    'Digest realm="a, b", nonce="1", algorithm=SHA-256, qop="auth"',
    'Digest realm="a, b", nonce="1", algorithm=MD5, qop="auth"',
  ]
  const { udp, peer } = await served(t, (srf) =>
    srf.use('register', (_, response) => response.send(401, { headers: { 'WWW-Authenticate': challenges } })),
  )
  peer.request(udp, { method: 'REGISTER' })
  const refused = await peer.nextResponse('REGISTER', 401)
  t.same(
    refused.headers.filter(({ key }) => key === 'www-authenticate').map(({ value }) => value),
    challenges,
  )
})

t.test(
  'an INVITE with Replaces passes up and out as it is, required or not; the server looks for no dialog',
  async (t) => {
    const replaces = 'someone@host;to-tag=a;from-tag=b;early-only'
    const { udp, peer, srf } = await served(t, (srf) =>
      srf.invite((request, response) => response.send(request.get('Replaces') === replaces ? 603 : 500)),
    )
    peer.request(udp, { method: 'INVITE', body: SDP, headers: { replaces, require: 'replaces' } })
    t.equal((await peer.nextResponse('INVITE', 200, 699)).status, 603)
    void srf
      .createUAC(peer.uri, { localSdp: SDP, headers: { Replaces: replaces, Require: 'replaces' } })
      .catch(() => undefined)
    const invite = await peer.nextRequest('INVITE')
    t.equal(valueOf(invite, 'replaces'), replaces)
    t.same(listOf(invite, 'require'), ['replaces'])
    peer.respond(invite, udp, { status: 481, tag: 'x' })
    await peer.nextRequest('ACK')
  },
)
