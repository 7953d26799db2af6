import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { application, serve, type AppMessage } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const AUTH = { username: 'trunk', password: 'a password for tests' }

async function served(t: Test) {
  const { sipd, udp } = await serve(t, { limits: { closeMs: 50 } })
  const peer = await RawPeer.udp()
  t.teardown(() => peer.close())
  return { udp, peer, srf: await application(t, sipd) }
}

const challenge = (nonce: string, more = ''): string =>
  `Digest realm="pbx", nonce="${nonce}", algorithm=MD5, qop="auth"${more}`
const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
const sequenceOf = (request: SipRequest): number => Number(valueOf(request, 'cseq')?.split(' ')[0])

/** True when drachtio-srf's answer to the challenge is what a server expects (RFC 2617 section 3.2.2). */
function proves(request: SipRequest, header = 'authorization'): boolean {
  const value = valueOf(request, header) ?? ''
  const part = (name: string): string => new RegExp(`[ ,]${name}="?([^",]*)`).exec(value)?.[1] ?? ''
  const secret = md5(`${AUTH.username}:pbx:${AUTH.password}`)
  const target = md5(`${request.method}:${part('uri')}`)
  return part('response') === md5(`${secret}:${part('nonce')}:${part('nc')}:${part('cnonce')}:auth:${target}`)
}

t.test('REGISTER and INVITE through drachtio-srf: 401 and 407, qop auth, Call-ID and From kept, CSeq up', async (t) => {
  const { udp, peer, srf } = await served(t)
  for (const [status, asked, answered] of [
    [401, 'WWW-Authenticate', 'authorization'],
    [407, 'Proxy-Authenticate', 'proxy-authorization'],
  ] as const) {
    const sent = await srf.request(peer.uri, { method: 'REGISTER', auth: AUTH })
    const done = new Promise<AppMessage>((resolve) => sent.on('response', (response) => resolve(response)))
    const first = await peer.nextRequest('REGISTER')
    t.notOk(valueOf(first, answered))
    peer.respond(first, udp, { status, tag: 'x', headers: { [asked]: challenge('n1') } })
    const second = await peer.nextRequest('REGISTER')
    t.ok(proves(second, answered))
    for (const name of ['call-id', 'from']) t.equal(valueOf(second, name), valueOf(first, name))
    t.equal(sequenceOf(second), sequenceOf(first) + 1)
    peer.respond(second, udp, { status: 200, tag: 'x' })
    t.equal((await done).status, 200)
  }
})

t.test('re-INVITE and BYE that are challenged go again in their dialog, which ends with the answer', async (t) => {
  const { udp, peer, srf } = await served(t)
  const calling = srf.createUAC(peer.uri, { localSdp: SDP, auth: AUTH })
  const invite = await peer.nextRequest('INVITE')
  peer.respond(invite, udp, { status: 407, tag: 'x', headers: { 'Proxy-Authenticate': challenge('n1') } })
  await peer.nextRequest('ACK')
  const second = await peer.nextRequest('INVITE')
  t.ok(proves(second, 'proxy-authorization'))
  peer.respond(second, udp, { status: 200, tag: 'b', body: SDP })
  const dialog = await calling
  await peer.nextRequest('ACK')
  const again = async (method: 'INVITE' | 'BYE'): Promise<SipRequest> => {
    const refused = await peer.nextRequest(method)
    peer.respond(refused, udp, { status: 401, headers: { 'WWW-Authenticate': challenge('n2') } })
    if (method === 'INVITE') await peer.nextRequest('ACK')
    const proved = await peer.nextRequest(method)
    t.ok(proves(proved), method)
    t.equal(proved.uri, peer.uri)
    t.equal(valueOf(proved, 'to'), valueOf(refused, 'to'))
    t.equal(sequenceOf(proved), sequenceOf(refused) + 1)
    return proved
  }
  const modifying = dialog.modify(SDP.replace('4000', '4002'))
  const reinvite = await again('INVITE')
  t.match(reinvite.body.toString(), '4002')
  peer.respond(reinvite, udp, { status: 200, body: SDP })
  t.equal(await modifying, SDP)
  await peer.nextRequest('ACK')
  const leaving = dialog.destroy()
  peer.respond(await again('BYE'), udp, { status: 200 })
  await leaving
  peer.request(udp, {
    method: 'INFO',
    headers: {
      from: valueOf(reinvite, 'to') ?? '',
      to: valueOf(reinvite, 'from') ?? '',
      'call-id': valueOf(reinvite, 'call-id') ?? '',
    },
  })
  t.equal((await peer.nextResponse('INFO', 200, 699)).status, 481, 'the dialog is over')
})

t.test(
  'drachtio-srf answers once, and with MD5 whatever was asked: other algorithms are the application’s to do',
  async (t) => {
    const { udp, peer, srf } = await served(t)
    const calling = srf.createUAC(peer.uri, { localSdp: SDP, auth: AUTH })
    const first = await peer.nextRequest('INVITE')
    const sha256 = challenge('n1').replace('MD5', 'SHA-256')
    peer.respond(first, udp, { status: 401, tag: 'x', headers: { 'WWW-Authenticate': sha256 } })
    const second = await peer.nextRequest('INVITE')
    t.match(valueOf(second, 'authorization'), 'algorithm=MD5')
    peer.respond(second, udp, {
      status: 401,
      tag: 'x',
      headers: { 'WWW-Authenticate': challenge('n2', ', stale=true') },
    })
    const failed: unknown = await calling.catch((error: unknown) => error)
    t.match(failed, { status: 401 })
  },
)
