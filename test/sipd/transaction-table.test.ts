import t from 'tap'
import { openEnvelope, type Envelope } from '../../src/sipd/envelope.ts'
import type { SipRequest } from '../../src/sipd/message.ts'
import { serverKey } from '../../src/sipd/transaction-table.ts'
import { fakeRequest } from './fake-flow.ts'

const opened = (request: SipRequest): Envelope => {
  const envelope = openEnvelope(request)
  if (typeof envelope === 'string') throw new Error(envelope)
  return envelope
}
const key = (request: SipRequest, method = request.method): string => serverKey(request, opened(request), method)

t.test('ACK and CANCEL find the INVITE with their branch, other methods and senders do not', (t) => {
  const invite = key(fakeRequest('INVITE'))
  t.equal(key(fakeRequest('ACK', { to: '<sip:b@b>;tag=b' }), 'INVITE'), invite)
  t.not(key(fakeRequest('CANCEL')), invite)
  t.not(key(fakeRequest('INVITE', { via: 'SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bKfake' })), invite)
  t.end()
})

t.test('a peer of RFC 2543 is told apart by Call-ID, CSeq and From', (t) => {
  const old = { via: 'SIP/2.0/UDP 192.0.2.1:5060;branch=1' }
  const invite = key(fakeRequest('INVITE', old))
  t.equal(key(fakeRequest('ACK', { ...old, to: '<sip:b@b>;tag=b' }), 'INVITE'), invite)
  t.not(key(fakeRequest('INVITE', { ...old, 'call-id': 'other' })), invite)
  t.not(key(fakeRequest('INVITE', { ...old, cseq: '8 INVITE' })), invite)
  t.end()
})
