import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { RevocationList } from '../../src/kit/revocation.ts'
import { valueOf } from '../../src/sipd/message.ts'
import type { Flow } from '../../src/sipd/flow.ts'
import { startSipd } from '../../src/sipd/sipd.ts'
import { DEFAULT_LIMITS } from '../../src/sipd/sipd-limits.ts'
import { Transports, type TlsListeners } from '../../src/sipd/transports.ts'
import type { TlsRefusal } from '../../src/sipd/transport-tls.ts'
import { eventually } from '../fakes/eventually.ts'
import { SipAuthority, type SipCertificate } from '../fakes/sip-certificates.ts'
import { application, serve, type AppDialog } from './application.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const authority = new SipAuthority()
const stranger = new SipAuthority()
const OURS = authority.leaf({ dns: ['sbc.example.com'], ip: ['127.0.0.1'] })
const CARRIER = authority.leaf({ sip: ['carrier.example'], ip: ['127.0.0.1'] })
const ANY = { host: '127.0.0.1', port: 0 }
const PING = 'OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n'

function listeners(
  leaf: SipCertificate,
  options: {
    mutual?: boolean
    name?: string
    trusts?: SipAuthority
    wildcards?: boolean
    revoked?: RevocationList | undefined
  } = {},
): TlsListeners {
  const { mutual = true, name, trusts = authority, wildcards = false, revoked } = options
  return {
    addresses: [name === undefined ? ANY : { ...ANY, name }],
    identity: {
      ...leaf,
      authority: trusts.certificate,
      mutual,
      wildcards,
      ...(revoked === undefined ? {} : { revoked }),
    },
  }
}

/** Transports with one TLS listener, and what arrived and was refused there. */
async function station(t: Test, tls: TlsListeners, limits: object = {}) {
  const arrived: { readonly text: string; readonly flow: Flow }[] = []
  const refused: TlsRefusal[] = []
  let woken: () => void = () => undefined
  const transports = await Transports.open({
    udp: [],
    tcp: [],
    tls,
    limits: { ...DEFAULT_LIMITS, ...limits },
    onBytes: (bytes, flow) => {
      arrived.push({ text: bytes.toString(), flow })
      woken()
    },
    onTrouble: () => undefined,
    onRefused: (refusal) => {
      refused.push(refusal)
      woken()
    },
  })
  t.teardown(() => transports.close())
  const [at] = transports.addresses('tls')
  if (at === undefined) throw new Error('not listening')
  const take = async <Item>(from: Item[]): Promise<Item> => {
    for (;;) {
      const item = from.shift()
      if (item !== undefined) return item
      await new Promise<void>((resolve) => (woken = resolve))
    }
  }
  return { transports, at, next: () => take(arrived), refusal: () => take(refused) }
}

/** Sends one message to a station; resolves with whether it failed, once that or the arrival is known. */
function offer(
  from: Awaited<ReturnType<typeof station>>,
  to: Awaited<ReturnType<typeof station>>,
  names: readonly string[],
): Promise<'arrived' | 'failed'> {
  const flow = from.transports.flowTo({ transport: 'tls', remote: to.at, from: undefined, names })
  return Promise.race([
    new Promise<'failed'>((resolve) => flow?.send(Buffer.from(PING), () => resolve('failed'))),
    to.next().then((): 'arrived' => 'arrived'),
  ])
}

t.test('a peer that proves its name is spoken to, on one connection for both directions', async (t) => {
  const one = await station(t, listeners(OURS, { name: 'sbc.example.com' }))
  const other = await station(t, listeners(CARRIER))
  const remote = other.at
  const flow = one.transports.flowTo({ transport: 'tls', remote, from: undefined, names: ['carrier.example'] })
  const mustNot = (): void => {
    t.fail('must not fail')
  }
  flow?.send(Buffer.from(PING), mustNot)
  flow?.send(Buffer.from(PING), mustNot)
  t.same(flow?.local, { host: 'sbc.example.com', port: one.at.port }, 'the name stands in Via and Contact')
  const [first, second] = [await other.next(), await other.next()]
  t.same(first.flow.remote, second.flow.remote, 'one connection')
  t.equal(first.flow.peerName, 'sbc.example.com', 'mutual: the other side knows whom it speaks to')
  first.flow.send(Buffer.from('SIP/2.0 200 OK\r\n\r\n'), mustNot)
  const answer = await one.next()
  t.equal(answer.text, 'SIP/2.0 200 OK\r\n\r\n')
  t.equal(answer.flow.peerName, 'carrier.example')
  t.ok(answer.flow.alive?.())
  t.ok(one.transports.isOurs('sbc.example.com', one.at.port))
  t.match(one.transports.hostPorts(), /^tls\/127\.0\.0\.1:\d+$/)

  // RFC 5923: the other side asks for the port that our Via named, and stays on the connection that is open.
  first.flow.alias?.(one.at.port)
  const back = other.transports.flowTo({
    transport: 'tls',
    remote: one.at,
    from: undefined,
    names: ['sbc.example.com'],
  })
  back?.send(Buffer.from(PING), mustNot)
  t.same((await one.next()).flow.remote, remote, 'the connection that was opened from here')
  t.equal(await offer(other, one, ['wrong.example']), 'failed', 'another name is not served by it')
})

t.test('the domains that a certificate names share one connection, and no other domain does (RFC 5923)', async (t) => {
  const one = await station(t, listeners(OURS))
  const other = await station(t, listeners(authority.leaf({ sip: ['a.example', 'b.example'], ip: ['127.0.0.1'] })))
  const ports = new Set<number>()
  for (const name of ['a.example', 'b.example', 'A.example']) {
    const flow = one.transports.flowTo({ transport: 'tls', remote: other.at, from: undefined, names: [name] })
    flow?.send(Buffer.from(PING), () => undefined)
    ports.add((await other.next()).flow.remote.port)
  }
  t.equal(ports.size, 1)
  t.equal(await offer(one, other, ['c.example']), 'failed')
  t.equal((await one.refusal()).code, 'NAME_MISMATCH')
})

t.test('where wildcards are taken, a provider with a name for each customer is spoken to', async (t) => {
  const one = await station(t, listeners(OURS, { wildcards: true }))
  const other = await station(t, listeners(authority.leaf({ dns: ['*.trunk.example'] })))
  t.equal(await offer(one, other, ['shop.trunk.example']), 'arrived')
  t.equal(await offer(one, other, ['bank.trunk.example']), 'arrived', 'on the same connection')
  t.equal(await offer(one, other, ['trunk.example']), 'failed')
  t.equal((await one.refusal()).code, 'NAME_MISMATCH')
})

t.test('a certificate that is not good enough is refused, and nothing is sent', async (t) => {
  const one = await station(t, listeners(OURS))
  for (const [title, leaf, names, code] of [
    [
      'expired',
      authority.leaf({ dns: ['carrier.example'], endsInMs: -60_000 }),
      ['carrier.example'],
      'CERT_HAS_EXPIRED',
    ],
    ['another name', CARRIER, ['other.example'], 'NAME_MISMATCH'],
    ['a wildcard', authority.leaf({ dns: ['*.example'] }), ['carrier.example'], 'NAME_MISMATCH'],
    ['another address', authority.leaf({ ip: ['192.0.2.1'] }), ['127.0.0.1'], 'NAME_MISMATCH'],
    ['another authority', stranger.leaf({ dns: ['carrier.example'] }), ['carrier.example'], /UNABLE_TO|SELF_SIGNED/],
  ] as const) {
    const other = await station(t, listeners(leaf, { mutual: false }))
    t.equal(await offer(one, other, names), 'failed', title)
    const refusal = await one.refusal()
    t.match(refusal, { direction: 'outbound', code, remote: other.at }, title)
  }
})

t.test('mutual: a client without a good certificate is not let in, and hears it as a failure', async (t) => {
  const guarded = await station(t, listeners(CARRIER))
  for (const [title, leaf] of [
    ['expired', authority.leaf({ dns: ['a.example'], endsInMs: -60_000 })],
    ['another authority', stranger.leaf({ dns: ['a.example'] })],
  ] as const) {
    const client = await station(t, listeners(leaf))
    t.equal(await offer(client, guarded, ['carrier.example']), 'failed', title)
    t.match(
      await guarded.refusal(),
      { direction: 'inbound', code: /CERT|UNABLE/, remote: { host: '127.0.0.1' } },
      title,
    )
  }
  const open = await station(t, listeners(CARRIER, { mutual: false }))
  const anonymous = connect({
    ...open.at,
    ca: authority.certificate,
    servername: 'carrier.example',
    checkServerIdentity: () => undefined,
  })
  anonymous.write(PING)
  const { flow } = await open.next()
  t.equal(flow.peerName, undefined)
  flow.alias?.(5061)
  const remote = { host: '127.0.0.1', port: 5061 }
  const aliased = open.transports.flowTo({ transport: 'tls', remote, from: undefined, names: ['127.0.0.1'] })
  await new Promise<void>((resolve) => aliased?.send(Buffer.from(PING), resolve))
  t.pass('who has proved no name draws no requests to its connection')
  anonymous.destroy()
})

/** A list in a file that is put in place at once, as an operator should. */
function listFile(t: Test) {
  const file = join(t.testdir(), 'revoked.pem')
  const write = (revoked: readonly SipCertificate[], options: { readonly endsInMs?: number } = {}): void => {
    writeFileSync(`${file}.new`, authority.revocations(revoked, options))
    renameSync(`${file}.new`, file)
  }
  write([])
  const list = new RevocationList(file)
  t.teardown(() => list.close())
  return { list, write }
}

t.test('who was taken back is neither let in nor spoken to, and others are (RFC 5280)', async (t) => {
  const revoked = authority.leaf({ dns: ['carrier.example'] })
  const { list, write } = listFile(t)
  write([revoked])
  list.look()
  const one = await station(t, listeners(OURS, { revoked: list }))
  const client = await station(t, listeners(revoked))
  t.equal(await offer(client, one, ['sbc.example.com']), 'failed', 'as a client')
  const inbound = { direction: 'inbound', code: 'CERT_REVOKED', remote: { host: '127.0.0.1' } }
  t.match(await one.refusal(), inbound)
  const server = await station(t, listeners(revoked, { mutual: false }))
  t.equal(await offer(one, server, ['carrier.example']), 'failed', 'as a server')
  t.match(await one.refusal(), { direction: 'outbound', code: 'CERT_REVOKED', remote: server.at })
  const other = await station(t, listeners(CARRIER))
  t.equal(await offer(other, one, ['sbc.example.com']), 'arrived')
  t.equal(await offer(one, other, ['carrier.example']), 'arrived')
})

t.test('a list that changes ends the connections of whom it names, both ways, and no others', async (t) => {
  const { list, write } = listFile(t)
  const one = await station(t, listeners(OURS, { revoked: list }))
  const [bad, good] = [authority.leaf({ dns: ['bad.example'] }), authority.leaf({ dns: ['good.example'] })]
  const client = { ...one.at, ca: authority.certificate, checkServerIdentity: () => undefined }
  const sockets = [bad, good].map(({ certificate, key }) => connect({ ...client, cert: certificate, key }))
  const [stolen, honest] = sockets
  if (stolen === undefined || honest === undefined) throw new Error('no sockets')
  for (const socket of sockets) {
    socket.on('error', () => undefined).write(PING)
    await one.next()
  }
  const server = await station(t, listeners(bad, { mutual: false }))
  t.equal(await offer(one, server, ['bad.example']), 'arrived')
  const ended = once(stolen, 'close')
  write([bad])
  list.look()
  await ended
  const refused = [await one.refusal(), await one.refusal()].toSorted((a, b) => (a.direction < b.direction ? -1 : 1))
  t.match(refused, [
    { direction: 'inbound', code: 'CERT_REVOKED', remote: { host: '127.0.0.1' } },
    { direction: 'outbound', code: 'CERT_REVOKED', remote: server.at },
  ])
  honest.write(PING)
  t.equal((await one.next()).flow.peerName, 'good.example')
  t.equal(await offer(one, server, ['bad.example']), 'failed')
  t.match(await one.refusal(), { direction: 'outbound', code: 'CERT_REVOKED' })

  write([], { endsInMs: -60_000 })
  list.look()
  const late = await station(t, listeners(good))
  t.equal(await offer(late, one, ['sbc.example.com']), 'failed', 'nobody, once its time is over')
  t.match(await one.refusal(), { direction: 'inbound', code: 'CRL_HAS_EXPIRED' })

  one.transports.renew({ ...OURS, authority: authority.certificate, mutual: true })
  t.equal(await offer(late, one, ['sbc.example.com']), 'arrived', 'without a list nobody is looked for in it')
  for (const socket of sockets) socket.destroy()
})

t.test('a refused peer that was taken back is in the log and counted', async (t) => {
  const { list, write } = listFile(t)
  const revoked = authority.leaf({ dns: ['carrier.example'] })
  write([revoked])
  list.look()
  const lines: string[] = []
  const logger = createLogger({ role: 'sipd', level: 'info', stream: { write: (line) => void lines.push(line) } })
  const metrics = new Metrics('sipd')
  const sipd = await startSipd({
    udp: [],
    tcp: [],
    tls: listeners(OURS, { revoked: list }),
    control: { ...ANY, secret: 'secret' },
    logger,
    metrics,
  })
  t.teardown(() => sipd.close())
  const [at] = sipd.addresses.tls
  const { certificate, key } = revoked
  const socket = connect({ host: '127.0.0.1', port: at?.port ?? 0, ca: authority.certificate, cert: certificate, key })
  socket.on('error', () => undefined)
  await eventually(() => lines.some((line) => line.includes('CERT_REVOKED')), 30_000)
  t.match(await metrics.registry.metrics(), /tonewall_sipd_tls_refused_total\{direction="inbound",role="sipd"\} 1/)
  socket.destroy()
})

t.test('TLS 1.1, plain text and a silent handshake are refused', async (t) => {
  const server = await station(t, listeners(CARRIER, { mutual: false }), { tcpConnectMs: 300 })
  const old: TLSSocket = connect({
    ...server.at,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL:@SECLEVEL=0',
    rejectUnauthorized: false,
  })
  const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code, /^(ERR_SSL|ECONNRESET|EPROTO)/)
  t.equal((await server.refusal()).direction, 'inbound')
  const plain = connectPlain(server.at)
  plain.on('error', () => undefined)
  plain.write(PING)
  t.match(await server.refusal(), { direction: 'inbound', code: /^(ERR_SSL|ECONNRESET)/ })
  const silent = connectPlain(server.at)
  silent.on('error', () => undefined)
  t.match(await server.refusal(), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' })
  const half = connectPlain(server.at)
  half.on('error', () => undefined)
  await once(half, 'connect')
  await server.transports.close()
  t.pass('a handshake that is not over does not hold close() up')
  for (const socket of [old, plain, silent, half]) socket.destroy()
})

t.test('a certificate and a key that do not fit are found at the start', async (t) => {
  const wrong = { ...listeners(OURS), identity: { ...OURS, key: CARRIER.key, authority: undefined, mutual: false } }
  const nothing = (): void => undefined
  await t.rejects(
    Transports.open({ udp: [ANY], tcp: [], tls: wrong, limits: DEFAULT_LIMITS, onBytes: nothing, onTrouble: nothing }),
    { code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' },
  )
})

for (const scheme of ['sip', 'sips'] as const) {
  t.test(`a bridged call over TLS with a ${scheme} URI, through an application`, async (t) => {
    const lines: string[] = []
    const logger = createLogger({ role: 'sipd', level: 'info', stream: { write: (line) => void lines.push(line) } })
    const served = await serve(t, { tls: listeners(OURS), logger })
    const to = served.tls
    if (to === undefined) throw new Error('not listening')
    const identity = { ...CARRIER, authority: authority.certificate }
    const caller = await RawPeer.tls(identity)
    const callee = await RawPeer.tls(identity)
    t.teardown(() => Promise.all([caller.close(), callee.close()]))
    const uri = scheme === 'sip' ? callee.uri : callee.uri.replace('sip:', 'sips:').replace(';transport=tls', '')
    const protocols: unknown[] = []
    let bridged: (dialogs: { uas: AppDialog; uac: AppDialog }) => void = () => undefined
    const result = new Promise<{ uas: AppDialog; uac: AppDialog }>((resolve) => (bridged = resolve))
    await application(t, served.sipd, (srf) => {
      srf.invite((request, response) => {
        protocols.push((request as unknown as { readonly protocol: unknown }).protocol, request.receivedOn)
        void srf.createB2BUA(request, response, uri, { localSdpB: request.body }).then((dialogs) => {
          dialogs.uas.on('destroy', () => void dialogs.uac.destroy())
          bridged(dialogs)
        })
      })
    })
    const requestUri = `${scheme}:service@127.0.0.1:${to.port}${scheme === 'sip' ? ';transport=tls' : ''}`
    const invite = caller.request(to, { method: 'INVITE', body: SDP, uri: requestUri })
    const inviteB = await callee.nextRequest('INVITE')
    t.match(valueOf(inviteB, 'via'), /^SIP\/2\.0\/TLS 127\.0\.0\.1:\d+;branch=\S+;rport;alias$/)
    const contact = scheme === 'sip' ? /^<sip:[^>]*;transport=tls>$/ : /^<sips:[^>]*>$/
    t.match(valueOf(inviteB, 'contact'), contact)
    callee.respond(inviteB, to, { status: 200, tag: 'b', body: SDP })
    const response = await caller.nextResponse('INVITE', 200)
    t.match(valueOf(response, 'contact'), contact)
    caller.inDialog(to, { invite, response }, { method: 'ACK', cseq: 1 })
    await callee.nextRequest('ACK')
    await result
    t.same(protocols, ['tls', `127.0.0.1:${to.port}`])
    caller.inDialog(to, { invite, response }, { method: 'BYE', cseq: 2 })
    await caller.nextResponse('BYE', 200)
    callee.respond(await callee.nextRequest('BYE'), to, { status: 200 })

    // A peer whose certificate does not hold: the caller hears 503, the log says why.
    const expired = authority.leaf({ ip: ['127.0.0.1'], endsInMs: -60_000 })
    const bad = await RawPeer.tls({ ...expired, authority: authority.certificate })
    t.teardown(() => bad.close())
    const srf = await application(t, served.sipd)
    const refused: unknown = await srf.createUAC(bad.uri, { localSdp: SDP }).catch((error: unknown) => error)
    t.match(refused, { status: 503 })
    t.ok(lines.some((line) => line.includes('CERT_HAS_EXPIRED') && line.includes(String(bad.address.port))))
  })
}
