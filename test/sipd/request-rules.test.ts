import t from 'tap'
import { isKnownMethod, requestFault } from '../../src/sipd/request-rules.ts'
import { fakeRequest } from './fake-flow.ts'

t.test('a request URI is a telephone number, a service or a readable SIP URI without header fields', (t) => {
  const status = (uri: string): number | undefined => requestFault({ ...fakeRequest('INVITE'), uri })?.status
  for (const uri of ['sip:a@b', 'SIPS:a?b@[2001:db8::1]:5061;lr', 'tel:+15550100', 'urn:service:sos'])
    t.equal(status(uri), undefined, uri)
  for (const uri of ['a@b', '<sip:a@b>', 'sip:', 'sip:a@b@c', 'sip:2001:db8::1', 'sip:a@b?Route=x', 'sip:b?X=y'])
    t.equal(status(uri), 400, uri)
  for (const uri of ['http://a', 'soap.beep://a']) t.equal(status(uri), 416, uri)
  t.end()
})

t.test('each Contact can be read, or is the star', (t) => {
  const status = (contact: string): number | undefined => requestFault(fakeRequest('REGISTER', { contact }))?.status
  for (const contact of ['*', '<sip:a@b?X=y>, sip:c@d;q=1', '']) t.equal(status(contact), undefined, contact)
  for (const contact of ['sip:a@b?X=y', '<sip:a@b>, "']) t.equal(status(contact), 400, contact)
  t.end()
})

t.test('an extension that is registered nowhere is refused by name, but not in ACK and CANCEL', (t) => {
  t.equal(requestFault(fakeRequest('INVITE', { require: '100rel, Timer', 'proxy-require': 'path' })), undefined)
  t.match(requestFault(fakeRequest('INVITE', { require: 'timer, foo', 'proxy-require': 'bar' })), {
    status: 420,
    headers: [{ key: 'unsupported', value: 'foo, bar' }],
  })
  for (const method of ['ACK', 'CANCEL']) t.equal(requestFault(fakeRequest(method, { require: 'foo' })), undefined)
  t.ok(isKnownMethod('PRACK'))
  t.notOk(isKnownMethod('prack'), 'methods are told apart by case')
  t.end()
})
