import t from 'tap'
import { openEnvelope, parseCseq } from '../../src/sipd/envelope.ts'
import { fakeRequest } from './fake-flow.ts'

t.test('the fields that every element must understand are read at once', (t) => {
  t.match(openEnvelope(fakeRequest('INVITE', { to: '<sip:b@b>;tag=2' })), {
    callId: 'fake',
    fromTag: 'a',
    toTag: '2',
    cseq: { number: 7, method: 'INVITE' },
    maxForwards: 70,
    via: { branch: 'z9hG4bKfake' },
  })
  t.end()
})

t.test('a missing or unreadable field is named', (t) => {
  const cases: readonly (readonly [string, Record<string, string>])[] = [
    ['no_via', { via: 'HTTP/1.1/TCP a' }],
    ['empty_via', { via: 'SIP/2.0/UDP a;;branch=z9hG4bK1' }],
    ['empty_via', { via: 'SIP/2.0/UDP a;branch=z9hG4bK1,' }],
    ['no_call_id', { 'call-id': '' }],
    ['no_from', { from: '<sip:a' }],
    ['no_to', { to: '' }],
    ['no_cseq', { cseq: '2147483648 INVITE' }],
    ['no_cseq', { cseq: 'x INVITE' }],
    ['cseq_method', { cseq: '1 BYE' }],
    ['max_forwards', { 'max-forwards': '-1' }],
    ['max_forwards', { 'max-forwards': '256' }],
  ]
  for (const [fault, headers] of cases) t.equal(openEnvelope(fakeRequest('INVITE', headers)), fault)
  t.match(openEnvelope(fakeRequest('INVITE', { 'max-forwards': '0068' })), { maxForwards: 68 })
  t.same(parseCseq('2147483647 \t X'), { number: 2_147_483_647, method: 'X' })
  t.end()
})
