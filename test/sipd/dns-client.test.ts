import t, { type Test } from 'tap'
import { DnsClient } from '../../src/sipd/dns-client.ts'
import { DnsServer } from '../fakes/dns-server.ts'

/** A client of a server of the test's own, and a clock that the test moves. */
async function client(t: Test) {
  const server = await DnsServer.open()
  t.teardown(() => server.close())
  const time = { nowMs: 0 }
  const dns = new DnsClient({ servers: [server.address], now: () => time.nowMs })
  t.teardown(() => dns.close())
  return { server, dns, time }
}

const SRV = { type: 'SRV', priority: 1, weight: 2, port: 5070, target: 'a.test' } as const

t.test('NAPTR, SRV and addresses are read; what is not there is none, not a failure', async (t) => {
  const { server, dns } = await client(t)
  const naptr = { order: 1, preference: 2, flags: 's', service: 'SIP+D2U', replacement: '_sip._udp.x.test' }
  server.set('x.test', 'NAPTR', [{ type: 'NAPTR', ...naptr }])
  server.set('_sip._udp.x.test', 'SRV', [SRV])
  server.set('a.test', 'A', [{ type: 'A', address: '192.0.2.1' }])
  server.set('a.test', 'AAAA', [{ type: 'AAAA', address: '2001:db8:0:0:0:0:0:1' }])
  t.match(await dns.naptr('x.test'), { kind: 'found', records: [naptr] })
  t.match(await dns.srv('_sip._udp.x.test'), {
    kind: 'found',
    records: [{ priority: 1, weight: 2, port: 5070, target: 'a.test' }],
  })
  t.same(await dns.addresses('a.test', [4, 6]), { kind: 'found', records: ['192.0.2.1', '2001:db8::1'] })
  t.same(await dns.addresses('a.test', [6]), { kind: 'found', records: ['2001:db8::1'] })
  t.same(await dns.srv('_sip._tcp.x.test'), { kind: 'none' }, 'no such name')
  t.same(await dns.naptr('a.test'), { kind: 'none' }, 'no such record')
})

t.test('aliases are followed, and an answer that was cut is fetched whole by TCP', async (t) => {
  const { server, dns } = await client(t)
  server.set('alias.test', 'A', [
    { type: 'CNAME', target: 'real.test' },
    { type: 'A', address: '192.0.2.7', name: 'real.test' },
  ])
  t.same(await dns.addresses('alias.test', [4]), { kind: 'found', records: ['192.0.2.7'] })
  const many = Array.from({ length: 40 }, (_, index) => ({ ...SRV, target: `server-${index}.a.long.domain.test` }))
  server.set('_sip._udp.big.test', 'SRV', many)
  server.trouble('_sip._udp.big.test', 'SRV', { kind: 'truncated' })
  const answer = await dns.srv('_sip._udp.big.test')
  t.equal(answer.kind === 'found' ? answer.records.length : 0, 32, 'no more records than the limit')
})

t.test('one question is asked once at a time, and again when its answer is too old', async (t) => {
  const { server, dns, time } = await client(t)
  server.set('a.test', 'A', [
    { type: 'A', address: '192.0.2.1', ttl: 100 },
    { type: 'A', address: '192.0.2.2', ttl: 20 },
  ])
  await Promise.all([dns.addresses('a.test', [4]), dns.addresses('A.TEST', [4])])
  time.nowMs = 19_999
  await dns.addresses('a.test', [4])
  t.equal(server.count('A a.test'), 1)
  time.nowMs = 20_000
  await dns.addresses('a.test', [4])
  t.equal(server.count('A a.test'), 2, 'the shortest time to live counts')
  t.same(await dns.srv('_sip._udp.none.test'), { kind: 'none' })
  t.same(await dns.srv('_sip._udp.none.test'), { kind: 'none' })
  t.equal(server.count('SRV _sip._udp.none.test'), 1, 'that there is none is remembered too')
  time.nowMs += 30_000
  await dns.srv('_sip._udp.none.test')
  t.equal(server.count('SRV _sip._udp.none.test'), 2)
})

t.test('a huge time to live is five minutes, one above 2^31 - 1 is none', async (t) => {
  const { server, dns, time } = await client(t)
  server.set('old.test', 'A', [{ type: 'A', address: '192.0.2.1', ttl: 2 ** 31 - 1 }])
  server.set('odd.test', 'A', [{ type: 'A', address: '192.0.2.1', ttl: 2 ** 32 - 1 }])
  await dns.addresses('old.test', [4])
  time.nowMs = 299_999
  await dns.addresses('old.test', [4])
  t.equal(server.count('A old.test'), 1)
  time.nowMs = 300_000
  await dns.addresses('old.test', [4])
  t.equal(server.count('A old.test'), 2)
  await dns.addresses('odd.test', [4])
  await dns.addresses('odd.test', [4])
  t.equal(server.count('A odd.test'), 2)
})

t.test('a server that is broken, silent or talks nonsense is told apart, and not asked again at once', async (t) => {
  const { server, dns, time } = await client(t)
  server.trouble('broken.test', 'SRV', { kind: 'code', code: 2 })
  server.trouble('silent.test', 'SRV', { kind: 'silent' })
  server.trouble('garbage.test', 'SRV', { kind: 'garbage', bytes: Buffer.from('nonsense that is no DNS packet') })
  t.equal((await dns.srv('broken.test')).kind, 'failed')
  t.equal((await dns.srv('silent.test')).kind, 'silent')
  t.not((await dns.srv('garbage.test')).kind, 'found')
  const asked = server.asked.length
  await Promise.all(['broken', 'silent', 'garbage'].map((name) => dns.srv(`${name}.test`)))
  t.equal(server.asked.length, asked)
  time.nowMs = 5_000
  server.set('broken.test', 'SRV', [SRV])
  server.trouble('broken.test', 'SRV', { kind: 'late', afterMs: 20 })
  t.equal((await dns.srv('broken.test')).kind, 'found')
})

t.test('while DNS is down an old answer is used for up to an hour', async (t) => {
  const { server, dns, time } = await client(t)
  server.set('a.test', 'A', [{ type: 'A', address: '192.0.2.1', ttl: 10 }])
  await dns.addresses('a.test', [4])
  server.trouble('a.test', 'A', { kind: 'code', code: 2 })
  time.nowMs = 3_599_999
  t.same(await dns.addresses('a.test', [4]), { kind: 'found', records: ['192.0.2.1'] })
  const asked = server.asked.length
  await dns.addresses('a.test', [4])
  t.equal(server.asked.length, asked, 'and nobody waits for the server meanwhile')
  time.nowMs = 3_599_999 + 30_000
  t.not((await dns.addresses('a.test', [4])).kind, 'found')
})

t.test('names of the hosts file are found whatever the servers know, and by family', async (t) => {
  const { dns } = await client(t)
  t.match(await dns.addresses('localhost', [4]), { kind: 'found', records: ['127.0.0.1'] })
  const system = new DnsClient({ servers: [] })
  t.match(await system.addresses('localhost', [4]), { kind: 'found', records: ['127.0.0.1'] })
  t.same(await system.addresses('localhost', []), { kind: 'none' })
  system.close()
})

t.test('a question that is open when the client closes ends', async (t) => {
  const { server, dns } = await client(t)
  server.trouble('silent.test', 'NAPTR', { kind: 'silent' })
  const open = dns.naptr('silent.test')
  dns.close()
  t.not((await open).kind, 'found')
})
