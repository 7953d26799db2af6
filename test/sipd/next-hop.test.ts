import t from 'tap'
import { nextHopOf } from '../../src/sipd/next-hop.ts'

const hopOf = (uri: string) => nextHopOf({ routeUrl: undefined, route: undefined, uri })

t.test('outbound proxy, Route and request URI are tried in that order', (t) => {
  const uri = 'sip:a@192.0.2.1'
  const numeric = { transport: 'udp', host: '192.0.2.1', port: 5060, names: ['192.0.2.1'], ask: 'address' }
  t.same(hopOf(uri), numeric)
  t.same(nextHopOf({ routeUrl: undefined, route: '<sip:192.0.2.2:5070;transport=TCP;lr>', uri }), {
    transport: 'tcp',
    host: '192.0.2.2',
    port: 5070,
    names: ['192.0.2.2'],
    ask: 'address',
  })
  t.same(nextHopOf({ routeUrl: 'sip:192.0.2.3', route: '<sip:192.0.2.2;lr>', uri }), {
    ...numeric,
    host: '192.0.2.3',
    names: ['192.0.2.3'],
  })
  for (const tls of ['sips:a@b.example', 'sip:a@b.example;transport=TLS', 'sips:a@b.example;transport=tcp'])
    t.match(hopOf(tls), { transport: 'tls', host: 'b.example', port: 5061, names: ['b.example'] }, tls)
  t.same(
    hopOf('sips:b.example:5071;maddr=192.0.2.9'),
    { transport: 'tls', host: '192.0.2.9', port: 5071, names: ['b.example'], ask: 'address' },
    'the name to prove is that of the URI',
  )
  for (const other of ['tel:+1', 'sips:a@b;transport=udp', 'sip:a@b;transport=sctp', 'nonsense'])
    t.equal(hopOf(other), undefined, other)
  t.end()
})

t.test('DNS is asked for what the URI leaves open (RFC 3263 section 4)', (t) => {
  const cases = {
    'sip:a@b.example': 'naptr',
    'sips:a@b.example': 'naptr',
    'sip:a@b.example;transport=tcp': 'srv',
    'sip:a@b.example:5060': 'address',
    'sip:a@b.example:5060;transport=tcp': 'address',
    'sip:a@[2001:db8::1]': 'address',
    'sip:a@b.example;maddr=192.0.2.9': 'address',
  }
  for (const [uri, ask] of Object.entries(cases)) t.equal(hopOf(uri)?.ask, ask, uri)
  t.end()
})
