import t from 'tap'
import {
  branchOf,
  responsePeer,
  sameTransaction,
  sequenceOf,
  token,
  transactionKey,
} from '../../../src/demo/phone/sip-fields.ts'
import { headerOf, type SipHeader, type SipRequest } from '../../../src/demo/phone/sip-text.ts'

const SOURCE = { host: '127.0.0.9', port: 4444 }

function request(...headers: readonly SipHeader[]): SipRequest {
  return { kind: 'request', method: 'INVITE', uri: 'sip:1000@127.0.0.1', headers, body: 'an offer' }
}

t.test('a transaction is the branch of the topmost Via and the method', (t) => {
  const invite = request(
    ['via', 'SIP/2.0/UDP 127.0.0.1:5060;rport; branch=z9hG4bKone'],
    ['via', 'SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKtwo'],
  )
  t.equal(branchOf(invite), 'z9hG4bKone')
  t.equal(transactionKey(invite), 'z9hG4bKone INVITE')
  t.equal(branchOf(request()), undefined)
  t.equal(branchOf(request(['via', 'SIP/2.0/UDP 127.0.0.1'])), undefined)
  t.end()
})

t.test('CSeq is a number and a method, or nothing', (t) => {
  t.same(sequenceOf(request(['cseq', '7 INVITE'])), { number: 7, method: 'INVITE' })
  for (const value of ['', '7', 'INVITE', '-1 INVITE', '12345678901 INVITE', '7 invite']) {
    t.equal(sequenceOf(request(['cseq', value])), undefined)
  }
  t.end()
})

t.test('CANCEL repeats what ties it to its INVITE, and no body', (t) => {
  const invite = request(
    ['via', 'SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKone'],
    ['from', '<sip:a@127.0.0.1>;tag=a'],
    ['to', '<sip:b@127.0.0.1>'],
    ['call-id', 'call'],
    ['cseq', '7 INVITE'],
    ['contact', '<sip:a@127.0.0.1>'],
  )
  const cancel = sameTransaction(invite, 'CANCEL', 'somebody')
  for (const name of ['via', 'from', 'call-id']) t.equal(headerOf(cancel, name), headerOf(invite, name))
  t.match(cancel, { method: 'CANCEL', uri: invite.uri, body: '' })
  t.equal(headerOf(cancel, 'to'), 'somebody')
  t.equal(headerOf(cancel, 'cseq'), '7 CANCEL')
  t.equal(headerOf(cancel, 'contact'), undefined)
  t.end()
})

t.test('an answer goes to the source with rport, else to the port of Via', (t) => {
  t.same(responsePeer(request(['via', 'SIP/2.0/UDP 127.0.0.1:5099;rport;branch=x']), SOURCE), SOURCE)
  t.same(responsePeer(request(['via', 'SIP/2.0/UDP 127.0.0.1:5099;branch=x']), SOURCE), { ...SOURCE, port: 5099 })
  t.same(responsePeer(request(['via', 'SIP/2.0/UDP 127.0.0.1;branch=x']), SOURCE), { ...SOURCE, port: 5060 })
  t.end()
})

t.test('no two tokens are alike', (t) => {
  t.equal(new Set(Array.from({ length: 100 }, token)).size, 100)
  t.end()
})
