import t from 'tap'
import { applicationHeaders, contactHeader, contentTypeHeaders } from '../../src/sipd/application-headers.ts'
import { fakeFlow, fakeRequest } from './fake-flow.ts'

t.test('what the server decides is dropped, the rest kept, @localhost in identities replaced', (t) => {
  const request = fakeRequest('INVITE', {
    route: '<sip:x>',
    'record-route': '<sip:x>',
    rseq: '1',
    'X-A': 'b',
    'p-asserted-identity': '<sip:a@localhost>',
  })
  t.same(
    applicationHeaders(request, fakeFlow().flow).map(({ name, value }) => `${name}: ${value}`),
    ['X-A: b', 'P-Asserted-Identity: <sip:a@192.0.2.1:5060>'],
  )
  t.end()
})

t.test('the Contact leads back to the socket', (t) => {
  const tcp = fakeFlow({ transport: 'tcp' }).flow
  t.equal(
    contactHeader(fakeRequest('INVITE', { contact: '' }), tcp, 'sip:a@b').value,
    '<sip:192.0.2.1:5060;transport=tcp>',
  )
  t.equal(
    contactHeader(fakeRequest('INVITE', { contact: 'sip:a@localhost;q=1' }), tcp, 'sip:a@b').value,
    '<sip:a@192.0.2.1:5060;transport=tcp>;q=1',
  )
  t.equal(
    contactHeader(fakeRequest('INVITE', { contact: '"n" <sip:a@localhost>' }), fakeFlow().flow, 'sip:a@b').value,
    '"n" <sip:a@192.0.2.1:5060>',
  )
  t.equal(
    contactHeader(fakeRequest('INVITE', { contact: '<sip:a@203.0.113.1>' }), tcp, 'sip:a@b').value,
    '<sip:a@203.0.113.1>',
  )
  const tls = { ...tcp, transport: 'tls' as const }
  t.equal(
    contactHeader(fakeRequest('OPTIONS', { contact: '<sip:localhost>' }), tls, 'sip:b').value,
    '<sip:192.0.2.1:5060;transport=tls>',
    'of nobody in particular',
  )
  t.equal(
    contactHeader(fakeRequest('INVITE', { contact: '' }), tls, 'sip:a@b').value,
    '<sip:192.0.2.1:5060;transport=tls>',
  )
  t.equal(contactHeader(fakeRequest('INVITE', { contact: '' }), tls, 'sips:a@b').value, '<sips:192.0.2.1:5060>')
  t.equal(
    contactHeader(fakeRequest('INVITE', { contact: '"n" <sip:a@localhost>' }), tls, 'SIPS:a@b').value,
    '"n" <sips:a@192.0.2.1:5060>',
    'what was asked for by sips is answered by sips',
  )
  t.end()
})

t.test('SDP is recognised, another body needs its type', (t) => {
  t.match(contentTypeHeaders(fakeRequest('INVITE', {}, 'v=0\r\n')), [{ value: 'application/sdp' }])
  t.equal(contentTypeHeaders(fakeRequest('INFO', {}, 'Signal=x')), 'missing')
  t.same(contentTypeHeaders(fakeRequest('INFO', { 'content-type': 'text/plain' }, 'x')), [])
  t.same(contentTypeHeaders(fakeRequest('INFO')), [])
  t.end()
})
