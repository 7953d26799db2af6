import t from 'tap'
import { nextHopOf, resolveNextHop } from '../../src/sipd/next-hop.ts'

t.test('outbound proxy, Route and request URI are tried in that order', (t) => {
  const uri = 'sip:a@192.0.2.1'
  t.same(nextHopOf({ routeUrl: undefined, route: undefined, uri }), { transport: 'udp', host: '192.0.2.1', port: 5060 })
  t.same(nextHopOf({ routeUrl: undefined, route: '<sip:192.0.2.2:5070;transport=TCP;lr>', uri }), {
    transport: 'tcp',
    host: '192.0.2.2',
    port: 5070,
  })
  t.same(nextHopOf({ routeUrl: 'sip:192.0.2.3', route: '<sip:192.0.2.2;lr>', uri }), {
    transport: 'udp',
    host: '192.0.2.3',
    port: 5060,
  })
  const secure = { transport: 'tls', host: 'b.example', port: 5061, names: ['b.example'] }
  for (const tls of ['sips:a@b.example', 'sip:a@b.example;transport=TLS', 'sips:a@b.example;transport=tcp'])
    t.same(nextHopOf({ routeUrl: undefined, route: undefined, uri: tls }), secure, tls)
  t.same(
    nextHopOf({ routeUrl: undefined, route: undefined, uri: 'sips:b.example:5071;maddr=192.0.2.9' }),
    { ...secure, host: '192.0.2.9', port: 5071 },
    'the name to prove is that of the URI',
  )
  for (const other of ['tel:+1', 'sips:a@b;transport=udp', 'sip:a@b;transport=sctp', 'nonsense'])
    t.equal(nextHopOf({ routeUrl: undefined, route: undefined, uri: other }), undefined, other)
  t.end()
})

t.test('numbers are not looked up, and a name that does not exist is no address', async (t) => {
  t.same(await resolveNextHop({ transport: 'udp', host: '192.0.2.1', port: 1 }, 10), [{ host: '192.0.2.1', port: 1 }])
  t.same(await resolveNextHop({ transport: 'udp', host: 'does-not-exist.invalid', port: 1 }, 3_000), [])
})
