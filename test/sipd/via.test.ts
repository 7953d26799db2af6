import t from 'tap'
import { formatVia, parseVia, stampVia } from '../../src/sipd/via.ts'

t.test('a Via is read with its branch', (t) => {
  t.match(parseVia('SIP / 2.0 / UDP [::1]:5060 ;branch=z9hG4bK1;rport'), {
    transport: 'UDP',
    host: '::1',
    port: 5060,
    branch: 'z9hG4bK1',
  })
  for (const bad of ['', 'SIP/2.0/UDP', 'SIP/2.0/UDP a b', 'HTTP/1.1/TCP a', 'SIP/2.0/UDP a:0'])
    t.equal(parseVia(bad), undefined, bad)
  t.end()
})

t.test('received and rport say where a request came from, whatever the peer wrote there', (t) => {
  const stamp = (value: string): string => {
    const via = parseVia(value)
    return via === undefined ? '' : stampVia(value, via, { host: '192.0.2.9', port: 7 })
  }
  t.equal(stamp('SIP/2.0/UDP 192.0.2.9;branch=b'), 'SIP/2.0/UDP 192.0.2.9;branch=b', 'nothing to add')
  t.equal(stamp('SIP/2.0/UDP a;branch=b'), 'SIP/2.0/UDP a;branch=b;received=192.0.2.9')
  t.equal(stamp('SIP/2.0/UDP a;rport=1;received=9.9.9.9;branch=b'), 'SIP/2.0/UDP a;branch=b;received=192.0.2.9;rport=7')
  t.end()
})

t.test('our own Via asks for rport, and over TLS offers its connection', (t) => {
  t.equal(
    formatVia({ transport: 'tcp', local: { host: '::1', port: 5060 }, branch: 'z9hG4bKx' }),
    'SIP/2.0/TCP [::1]:5060;branch=z9hG4bKx;rport',
  )
  t.equal(
    formatVia({ transport: 'tls', local: { host: 'sbc.example.com', port: 5061 }, branch: 'z9hG4bKx' }),
    'SIP/2.0/TLS sbc.example.com:5061;branch=z9hG4bKx;rport;alias',
    'over TLS the connection is offered for both directions',
  )
  t.end()
})
