import { hostPortText } from '../../src/kit/host-text.ts'
import t from 'tap'
import { parseHostPort, parseSipUri } from '../../src/sipd/uri.ts'

t.test('sip and sips URIs are taken apart', (t) => {
  t.match(parseSipUri('sip:+1;phone-context=x@h.example:5070;transport=TCP;lr?subject=a'), {
    scheme: 'sip',
    user: '+1;phone-context=x',
    host: 'h.example',
    port: 5070,
  })
  t.equal(parseSipUri('sip:h;transport=TCP;lr')?.parameters.get('transport'), 'TCP')
  t.match(parseSipUri('SIPS:[2001:db8::1]:5061'), { scheme: 'sips', user: undefined, host: '2001:db8::1', port: 5061 })
  t.end()
})

t.test('what is no sip URI, or reads two ways, is refused', (t) => {
  const bad = [
    '',
    'sip:',
    'tel:+1',
    'sip:a@b@c',
    'sip:a@',
    'sip:h:0',
    'sip:h:65536',
    'sip:h:5x',
    'sip:[::1',
    'sip:[x]',
    'sip:a b',
    `sip:${'a'.repeat(3_000)}`,
  ]
  for (const text of bad) t.equal(parseSipUri(text), undefined, text.slice(0, 20))
  t.end()
})

t.test('a host and port are written back, IPv6 in brackets', (t) => {
  t.equal(hostPortText({ host: '::1', port: 5060 }), '[::1]:5060')
  t.same(parseHostPort('192.0.2.1:5060'), { host: '192.0.2.1', port: 5060 })
  t.end()
})
