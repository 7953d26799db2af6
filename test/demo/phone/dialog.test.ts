import t from 'tap'
import { Dialog } from '../../../src/demo/phone/dialog.ts'
import { headerOf, headersOf, type SipRequest, type SipResponse } from '../../../src/demo/phone/sip-text.ts'

const IDENTITY = { local: { host: '127.0.0.2', port: 5060 }, user: 'payer', displayName: 'Pat', userAgent: 'test' }
const PEER = { host: '127.0.0.9', port: 5099 }
const NOTHING = { body: '', contentType: '' }

const calling = () =>
  Dialog.calling(IDENTITY, { callId: 'call', peer: PEER, to: 'sip:1000@127.0.0.9:5099', from: undefined })

const OK: SipResponse = {
  kind: 'response',
  status: 200,
  reason: 'OK',
  headers: [
    ['to', '<sip:1000@127.0.0.9>;tag=far'],
    ['cseq', '1 INVITE'],
    ['record-route', '<sip:127.0.0.7:5070;lr>'],
    ['record-route', '<sip:127.0.0.8:5080;lr>'],
    ['contact', '<sip:far@127.0.0.6:5061>'],
  ],
  body: '',
}

function fromPeer(dialog: Dialog, fromTag: string): SipRequest {
  return {
    kind: 'request',
    method: 'BYE',
    uri: 'sip:payer@127.0.0.2',
    headers: [
      ['from', `<sip:far@127.0.0.9>;tag=${fromTag}`],
      ['to', `<sip:payer@127.0.0.2>;tag=${dialog.localTag}`],
      ['call-id', dialog.callId],
    ],
    body: '',
  }
}

t.test('the first INVITE goes where the call goes, says who we are, and has no tag of the peer', (t) => {
  const dialog = calling()
  const invite = dialog.request('INVITE', { body: 'an offer', contentType: 'application/sdp' })
  t.equal(invite.uri, 'sip:1000@127.0.0.9:5099')
  t.equal(headerOf(invite, 'from'), `"Pat" <sip:payer@127.0.0.2>;tag=${dialog.localTag}`)
  t.equal(headerOf(invite, 'to'), '<sip:1000@127.0.0.9:5099>')
  t.equal(headerOf(invite, 'cseq'), '1 INVITE')
  t.equal(headerOf(invite, 'content-type'), 'application/sdp')
  t.same(dialog.nextHop, PEER)
  t.end()
})

t.test('a 2xx sets routes, target and tag; the ACK keeps the number of its INVITE, the next request counts on', (t) => {
  const dialog = calling()
  dialog.request('INVITE', NOTHING)
  dialog.establish(OK)
  dialog.retarget(OK)
  const { request: ack, sequence } = dialog.ackOf(OK)
  t.equal(sequence, 1)
  t.equal(headerOf(ack, 'cseq'), '1 ACK')
  t.equal(ack.uri, 'sip:far@127.0.0.6:5061')
  t.equal(headerOf(ack, 'to'), '<sip:1000@127.0.0.9:5099>;tag=far')
  t.same(
    headersOf(ack, 'route'),
    ['<sip:127.0.0.8:5080;lr>', '<sip:127.0.0.7:5070;lr>'],
    'the last recorded comes first',
  )
  t.same(dialog.nextHop, { host: '127.0.0.8', port: 5080 })
  t.equal(headerOf(dialog.request('INFO', NOTHING), 'cseq'), '2 INFO')
  t.end()
})

t.test('a request belongs to the dialog by Call-ID and both tags', (t) => {
  const dialog = calling()
  t.ok(dialog.holds(fromPeer(dialog, 'any')), 'while the tag of the peer is unknown, any will do')
  dialog.establish(OK)
  t.ok(dialog.holds(fromPeer(dialog, 'far')))
  t.notOk(dialog.holds(fromPeer(dialog, 'other')))
  t.notOk(dialog.holds(fromPeer(calling(), 'far')), 'another tag of ours')
  const { headers, ...request } = fromPeer(dialog, 'far')
  t.notOk(dialog.holds({ ...request, headers: headers.filter(([name]) => name !== 'call-id') }))
  t.end()
})

t.test('a call that came to us is answered back to its source, with the two names exchanged', (t) => {
  const invite: SipRequest = {
    kind: 'request',
    method: 'INVITE',
    uri: 'sip:payer@127.0.0.2',
    headers: [
      ['from', '<sip:far@127.0.0.9>;tag=far'],
      ['to', '<sip:payer@127.0.0.2>'],
      ['call-id', 'theirs'],
      ['cseq', '41 INVITE'],
    ],
    body: '',
  }
  const dialog = Dialog.called(IDENTITY, invite, PEER)
  t.equal(dialog.remoteSequence, 41)
  const bye = dialog.request('BYE', NOTHING)
  t.equal(bye.uri, 'sip:far@127.0.0.9', 'without a Contact the From')
  t.equal(headerOf(bye, 'from'), `"Pat" <sip:payer@127.0.0.2>;tag=${dialog.localTag}`)
  t.equal(headerOf(bye, 'to'), '<sip:far@127.0.0.9>;tag=far')
  t.equal(headerOf(bye, 'call-id'), 'theirs')
  t.end()
})
