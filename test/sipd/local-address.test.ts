import t from 'tap'
import { canonicalHost, interfaceAddresses, isWildcard, localAddressFor } from '../../src/sipd/local-address.ts'

const INTERFACES = [
  { host: '127.0.0.1', prefix: 8, internal: true },
  { host: '192.0.2.10', prefix: 24, internal: false },
  { host: '198.51.100.10', prefix: 24, internal: false },
  { host: '2001:db8::10', prefix: 64, internal: false },
]

t.test('the address on the peer’s own network is chosen, else the first that is not loopback', (t) => {
  t.equal(localAddressFor('198.51.100.7', INTERFACES), '198.51.100.10')
  t.equal(localAddressFor('127.0.0.9', INTERFACES), '127.0.0.1')
  t.equal(localAddressFor('203.0.113.1', INTERFACES), '192.0.2.10')
  t.equal(localAddressFor('2001:db8::99', INTERFACES), '2001:db8::10')
  t.equal(localAddressFor('203.0.113.1', []), '127.0.0.1')
  t.ok(interfaceAddresses().some(({ host }) => host === '127.0.0.1'))
  t.ok(isWildcard('0.0.0.0') && isWildcard('::') && !isWildcard('192.0.2.1'))
  t.end()
})

t.test('an IPv6 address has one spelling, a name is in lower case', (t) => {
  t.equal(canonicalHost('2001:DB8:0:0::0:1'), '2001:db8::1')
  t.equal(canonicalHost('SBC.example.com'), 'sbc.example.com')
  t.equal(canonicalHost('192.0.2.1'), '192.0.2.1')
  t.equal(canonicalHost('fe80::1%eth0'), 'fe80::1%eth0')
  t.end()
})
