import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { Admission } from '../../src/sipd/admission.ts'
import { application, serve, type Application } from './application.ts'
import { FakeClock } from './fake-clock.ts'
import { RawPeer, SDP } from './raw-peer.ts'

const TRUNKS = { sources: ['127.0.0.1', '192.0.2.0/24', 'carrier.example.com'], strangers: 'drop' } as const

function admission(strangers: 'drop' | 'refuse' = 'drop') {
  const lines: string[] = []
  const clock = new FakeClock()
  const stream = { write: (line: string) => lines.push(line) }
  const metrics = new Metrics('sipd')
  const logger = createLogger({ role: 'sipd', level: 'info', stream })
  return {
    admission: new Admission({ policy: { ...TRUNKS, strangers }, logger, metrics, clock }),
    lines,
    clock,
    metrics,
  }
}

t.test('sources of trunks are heard, by address and by range; others are not', (t) => {
  const { admission: drops } = admission()
  for (const host of ['127.0.0.1', '192.0.2.77', '::ffff:192.0.2.1']) t.notOk(drops.dropsSource(host), host)
  for (const host of ['127.0.0.2', '198.51.100.1', '2001:db8::1', '', 'carrier.example.com'])
    t.ok(drops.dropsSource(host), host)
  t.ok(drops.dropsProgram('friendly-scanner'))
  t.notOk(drops.dropsProgram('Asterisk'))
  t.end()
})

t.test('where strangers are refused nothing is dropped here: the application says 403', (t) => {
  const { admission: refuses } = admission('refuse')
  t.notOk(refuses.dropsSource('198.51.100.1'))
  t.notOk(refuses.dropsProgram('friendly-scanner'))
  t.ok(refuses.takesConnection('198.51.100.1'))
  t.end()
})

t.test('a source has one line a minute, and all sources together a bounded number', async (t) => {
  const { admission: drops, lines, clock, metrics } = admission()
  for (let number = 0; number < 300; number += 1) drops.drop('stranger', ['198.51.100', number % 200].join('.'))
  t.equal(lines.length, 100)
  clock.advance(60_000)
  drops.drop('scanner', '198.51.100.1')
  t.equal(lines.length, 101)
  t.match(lines.at(-1), /"code":"scanner".*"address":"198.51.100.1"/)
  t.match(await metrics.registry.metrics(), /tonewall_sipd_dropped_total{why="stranger",role="sipd"} 300/)
})

t.test('a stranger hears nothing, whatever it sends; a trunk is answered, unless it scans', async (t) => {
  const { sipd, udp, tcp, metrics } = await serve(t, { admission: TRUNKS })
  await application(t, sipd, (srf: Application) => srf.use('options', (_request, response) => response.send(200)))
  const stranger = await RawPeer.udp('127.0.0.9')
  const trunk = await RawPeer.udp('127.0.0.1')
  t.teardown(() => Promise.all([stranger.close(), trunk.close()]))
  for (const method of ['OPTIONS', 'INVITE', 'REGISTER', 'BYE']) stranger.request(udp, { method })
  stranger.sendRaw(
    'OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:9;branch=z9hG4bKx\r\nCSeq: nonsense\r\n\r\n',
    udp,
  )
  trunk.request(udp, { method: 'OPTIONS', headers: { 'user-agent': 'friendly-scanner' } })
  trunk.request(udp, { method: 'OPTIONS' })
  t.equal((await trunk.nextResponse('OPTIONS', 200)).status, 200)
  t.equal(trunk.log.length, 1, 'the scanner was not answered')
  const socket = connect({ host: tcp.host, port: tcp.port, localAddress: '127.0.0.9' })
  socket.on('error', () => undefined)
  await once(socket, 'close')
  t.pass('a connection of a stranger is closed at once')
  t.same(stranger.log, [])
  const text = await metrics.registry.metrics()
  t.match(text, /dropped_total{why="stranger",role="sipd"} 5/)
  t.match(text, /dropped_total{why="scanner",role="sipd"} 1/)
  t.match(text, /dropped_total{why="connection",role="sipd"} 1/)
})

t.test('in a call of ours a peer may send from an address that no trunk names', async (t) => {
  const { sipd } = await serve(t, { admission: TRUNKS })
  const srf = await application(t, sipd)
  const peer = await RawPeer.udp('127.0.0.9')
  t.teardown(() => peer.close())
  const calling = srf.createUAC(peer.uri, { localSdp: SDP })
  const invite = await peer.nextRequest('INVITE')
  const [from] = sipd.addresses.udp
  if (from === undefined) throw new Error('no address')
  peer.respond(invite, from, { status: 200, tag: 'peer', body: SDP })
  const dialog = await calling
  const ended = new Promise<void>((resolve) => dialog.on('destroy', () => resolve()))
  const field = (name: string): string => invite.headers.find(({ key }) => key === name)?.value ?? ''
  peer.request(from, {
    method: 'BYE',
    headers: {
      'call-id': field('call-id'),
      to: field('from'),
      from: field('to').includes('tag=') ? field('to') : `${field('to')};tag=peer`,
      cseq: '7 BYE',
    },
  })
  await ended
  t.equal((await peer.nextResponse('BYE', 200)).status, 200)
})
