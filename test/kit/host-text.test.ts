import t from 'tap'
import { hostPortText, hostText } from '../../src/kit/host-text.ts'

t.test('an IPv6 address stands in brackets, and nothing else does', (t) => {
  t.equal(hostText('192.0.2.1'), '192.0.2.1')
  t.equal(hostText('sip.example.com'), 'sip.example.com')
  t.equal(hostText('2001:db8::1'), '[2001:db8::1]')
  t.equal(hostPortText({ host: '192.0.2.1', port: 5_060 }), '192.0.2.1:5060')
  t.equal(hostPortText({ host: '::', port: 5_060 }), '[::]:5060')
  t.end()
})

t.end()
