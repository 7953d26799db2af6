import t, { type Test } from 'tap'
import { DnsClient } from '../../src/sipd/dns-client.ts'
import type { TransportName } from '../../src/sipd/flow.ts'
import { nextHopOf } from '../../src/sipd/next-hop.ts'
import { locateServers } from '../../src/sipd/server-location.ts'
import { DnsServer, type DnsRecord } from '../fakes/dns-server.ts'

type Located = { readonly server: DnsServer; readonly locate: (uri: string, deadlineMs?: number) => Promise<string[]> }

/** Locates with a DNS server of the test's own; sockets for IPv4 alone unless said otherwise. */
async function location(
  t: Test,
  transports: readonly TransportName[] = ['udp', 'tcp', 'tls'],
  families: readonly (4 | 6)[] = [4],
): Promise<Located> {
  const server = await DnsServer.open()
  t.teardown(() => server.close())
  const dns = new DnsClient({ servers: [server.address] })
  t.teardown(() => dns.close())
  const serves = (transport: TransportName, family: 4 | 6): boolean =>
    transports.includes(transport) && families.includes(family)
  return {
    server,
    locate: async (uri, deadlineMs = 4_000) => {
      const hop = nextHopOf({ routeUrl: undefined, route: undefined, uri })
      if (hop === undefined) throw new Error('no next hop')
      const found = await locateServers(hop, deadlineMs, { dns, chance: () => 0.999, serves })
      return found.map(({ transport, remote }) => `${transport} ${remote.host} ${remote.port}`)
    },
  }
}

const naptr = (order: number, preference: number, service: string, replacement: string, flags = 's'): DnsRecord => ({
  type: 'NAPTR',
  order,
  preference,
  flags,
  service,
  replacement,
})
const srv = (priority: number, weight: number, port: number, target: string): DnsRecord => ({
  type: 'SRV',
  priority,
  weight,
  port,
  target,
})
const a = (last: number): DnsRecord => ({ type: 'A', address: `192.0.2.${last}` })

t.test('NAPTR says the transports in their order, SRV the servers, A the addresses', async (t) => {
  const { server, locate } = await location(t)
  server.set('x.test', 'NAPTR', [
    naptr(10, 20, 'SIP+D2U', '_sip._udp.x.test'),
    naptr(10, 10, 'SIP+D2T', '_sip._tcp.x.test'),
    naptr(5, 1, 'SIP+D2S', '_sip._sctp.x.test'),
    naptr(5, 1, 'E2U+sip', 'x.test', 'u'),
    naptr(20, 1, 'SIPS+D2T', '_sips._tcp.x.test'),
  ])
  server.set('_sip._tcp.x.test', 'SRV', [srv(2, 0, 5070, 'b.test'), srv(1, 0, 5071, 'a.test')])
  server.set('_sip._udp.x.test', 'SRV', [srv(1, 0, 5072, 'a.test')])
  server.set('a.test', 'A', [a(1), a(2)])
  server.set('b.test', 'A', [a(3)])
  t.same(await locate('sip:4711@x.test'), [
    'tcp 192.0.2.1 5071',
    'tcp 192.0.2.2 5071',
    'tcp 192.0.2.3 5070',
    'udp 192.0.2.1 5072',
    'udp 192.0.2.2 5072',
  ])
  t.notOk(server.asked.includes('SRV _sip._sctp.x.test'), 'what is not spoken is not asked for')
})

t.test('a sips URI goes by TLS only, and a transport without a socket is left out', async (t) => {
  const { server, locate } = await location(t)
  server.set('x.test', 'NAPTR', [
    naptr(1, 1, 'SIP+D2T', '_sip._tcp.x.test'),
    naptr(2, 1, 'sips+d2t', '_sips._tcp.other.test'),
  ])
  server.set('_sip._tcp.x.test', 'SRV', [srv(1, 0, 5060, 'a.test')])
  server.set('_sips._tcp.other.test', 'SRV', [srv(1, 0, 5091, 'a.test')])
  server.set('a.test', 'A', [a(1)])
  t.same(await locate('sips:x.test'), ['tls 192.0.2.1 5091'])
  const plain = await location(t, ['udp'])
  plain.server.set('x.test', 'NAPTR', [naptr(1, 1, 'SIP+D2T', '_sip._tcp.x.test')])
  plain.server.set('_sip._udp.x.test', 'SRV', [srv(1, 0, 5072, 'a.test')])
  plain.server.set('a.test', 'A', [a(1)])
  t.same(await plain.locate('sip:x.test'), ['udp 192.0.2.1 5072'])
  t.same(await plain.locate('sips:x.test'), [])
})

t.test('without NAPTR the SRV names of all transports are asked for; without SRV the host itself', async (t) => {
  const { server, locate } = await location(t)
  server.set('_sip._tcp.x.test', 'SRV', [srv(1, 0, 5070, 'a.test')])
  server.set('_sips._tcp.x.test', 'SRV', [srv(1, 0, 5071, 'a.test')])
  server.set('a.test', 'A', [a(1)])
  t.same(await locate('sip:x.test'), ['tcp 192.0.2.1 5070', 'tls 192.0.2.1 5071'])
  server.set('plain.test', 'A', [a(9)])
  t.same(await locate('sip:plain.test'), ['udp 192.0.2.9 5060'])
  t.same(await locate('sips:plain.test'), ['tls 192.0.2.9 5061'])
})

t.test('a port in the URI asks for addresses alone, a transport for its own SRV', async (t) => {
  const { server, locate } = await location(t, ['udp', 'tcp', 'tls'], [4, 6])
  server.set('_sip._tcp.x.test', 'SRV', [srv(1, 0, 5070, 'a.test')])
  server.set('a.test', 'A', [a(1)])
  server.set('a.test', 'AAAA', [{ type: 'AAAA', address: '2001:db8:0:0:0:0:0:1' }])
  t.same(await locate('sip:a.test:5090'), ['udp 192.0.2.1 5090', 'udp 2001:db8::1 5090'])
  t.same(server.asked.sort(), ['A a.test', 'AAAA a.test'])
  t.same(await locate('sip:x.test;transport=tcp'), ['tcp 192.0.2.1 5070', 'tcp 2001:db8::1 5070'])
  t.notOk(server.asked.includes('NAPTR x.test'))
  t.same(await locate('sip:192.0.2.5'), ['udp 192.0.2.5 5060'])
})

t.test('names of the hosts file are reached, and localhost is not asked for', async (t) => {
  const { server, locate } = await location(t)
  t.same(await locate('sip:localhost'), ['udp 127.0.0.1 5060'])
  t.same(await locate('sip:nothing.invalid'), [])
  t.notOk(server.asked.some((asked) => asked.startsWith('NAPTR') || asked.startsWith('SRV')))
})

t.test('hostile records are left out, and what stays has bounds', async (t) => {
  const { server, locate } = await location(t)
  const hosts = [
    '.',
    'a b.test',
    '192.0.2.1',
    '-\u0000.test',
    `${'l'.repeat(63)}.${'l'.repeat(63)}.${'l'.repeat(63)}.${'l'.repeat(63)}`,
  ]
  server.set('_sip._udp.x.test', 'SRV', [...hosts.map((host) => srv(1, 65_535, 5060, host)), srv(1, 0, 0, 'a.test')])
  server.set('x.test', 'A', [a(9)])
  server.set('a.test', 'A', [a(1)])
  t.same(await locate('sip:x.test'), [], 'a domain that denies the service is not called by its address')
  server.set('x2.test', 'NAPTR', [naptr(1, 1, 'SIP+D2U', 'not a host!.test'), naptr(1, 1, 'SIP+D2U', '.')])
  server.set('x2.test', 'A', [a(9)])
  t.same(await locate('sip:x2.test'), ['udp 192.0.2.9 5060'])
  server.set(
    '_sip._udp.many.test',
    'SRV',
    Array.from({ length: 30 }, (_, index) => srv(index, 65_535, 6_000 + index, 'many.test')),
  )
  server.set(
    'many.test',
    'A',
    Array.from({ length: 40 }, (_, index) => a(index)),
  )
  const many = await locate('sip:many.test')
  t.equal(many.length, 16)
  t.equal(many.filter((server_) => server_.endsWith(' 6000')).length, 8)
  t.same(await locate(`sip:${'a'.repeat(64)}.test`), [], 'a label of 64 characters is no name')
})

t.test('a server that loops through aliases, is broken or slow ends within the deadline', async (t) => {
  const { server, locate } = await location(t)
  server.set('loop.test', 'A', [
    { type: 'CNAME', target: 'loop2.test' },
    { type: 'CNAME', target: 'loop.test', name: 'loop2.test' },
  ])
  t.same(await locate('sip:loop.test:5060'), [])
  server.trouble('broken.test', 'NAPTR', { kind: 'code', code: 4 })
  server.set('_sip._udp.broken.test', 'SRV', [srv(1, 0, 5060, 'a.test')])
  server.set('a.test', 'A', [a(1)])
  t.same(await locate('sip:broken.test'), ['udp 192.0.2.1 5060'], 'some servers know no NAPTR')
  server.trouble('slow.test', 'NAPTR', { kind: 'silent' })
  t.same(await locate('sip:slow.test', 50), [])
})

t.test('random records make no crash, and no destination that is not an address with a port', async (t) => {
  const { server, locate } = await location(t)
  let state = 1
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
  const text = (): string => String.fromCharCode(...Array.from({ length: random(20) }, () => random(256)))
  for (let round = 0; round < 60; round += 1) {
    const name = `fuzz${round}.test`
    const target = (): string => (random(3) === 0 ? 'a.test' : text())
    server.set(name, 'NAPTR', [
      naptr(
        random(65_536),
        random(65_536),
        ['SIP+D2U', 'SIP+D2T', text()][random(3)] ?? '',
        target(),
        ['s', text()][random(2)],
      ),
    ])
    server.set(
      `_sip._udp.${name}`,
      'SRV',
      Array.from({ length: random(5) }, () =>
        srv(random(65_536), random(65_536), random(3) * random(65_536 / 3), target()),
      ),
    )
    server.set('a.test', 'A', [a(1)])
    for (const found of await locate(`sip:${name}`)) t.match(found, /^(udp|tcp) 192\.0\.2\.1 [1-9]\d*$/)
  }
})
