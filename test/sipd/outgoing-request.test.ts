import t from 'tap'
import { Dialog } from '../../src/sipd/dialog.ts'
import { valueOf, type SipRequest } from '../../src/sipd/message.ts'
import { bareRequest, insideDialog, outsideDialog } from '../../src/sipd/outgoing-request.ts'
import { fakeFlow, fakeRequest } from './fake-flow.ts'

const { flow } = fakeFlow()

t.test('Call-ID, CSeq and From of the application are honoured, what is missing is made', (t) => {
  const given = outsideDialog(fakeRequest('INVITE'), flow, [])
  t.same(
    [valueOf(given.request, 'call-id'), valueOf(given.request, 'cseq'), valueOf(given.request, 'from')],
    ['fake', '7 INVITE', '<sip:a@192.0.2.1>;tag=a'],
  )
  t.not(valueOf(given.request, 'via'), 'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKfake', 'a Via of its own')
  const empty: SipRequest = {
    kind: 'request',
    method: 'OPTIONS',
    uri: 'sip:b@192.0.2.2',
    headers: [],
    body: Buffer.alloc(0),
  }
  const made = outsideDialog(empty, flow, []).request
  t.match(valueOf(made, 'from'), /^<sip:192\.0\.2\.1:5060>;tag=./)
  t.equal(valueOf(made, 'to'), '<sip:b@192.0.2.2>')
  t.match(valueOf(made, 'cseq'), /^\d+ OPTIONS$/)
  t.equal(valueOf(made, 'max-forwards'), '70')
  t.equal(valueOf(made, 'contact'), undefined)
  const asking = outsideDialog(fakeRequest('OPTIONS', { contact: '<sip:localhost>' }), flow, []).request
  t.equal(valueOf(asking, 'contact'), '<sip:192.0.2.1:5060>', 'OPTIONS has one where the application gave it')
  t.end()
})

t.test('in a dialog target, tags and sequence are the dialog’s; an ACK repeats the number of its INVITE', (t) => {
  const dialog = Dialog.ofRequest(fakeRequest('INVITE'), { to: '<sip:b@192.0.2.2>;tag=b', sequence: 7, flow })
  dialog.localSequence = 10
  const info = insideDialog(
    dialog,
    { ...fakeRequest('INFO', { cseq: '3 INFO' }), uri: 'sip:placeholder' },
    { flow, contentType: [] },
  )
  t.equal(info.request.uri, 'sip:a@192.0.2.1:5060')
  t.equal(valueOf(info.request, 'cseq'), '11 INFO')
  t.equal(valueOf(info.request, 'from'), '<sip:b@192.0.2.2>;tag=b')
  const ack = insideDialog(dialog, bareRequest('ACK'), { flow, contentType: [], ackSequence: 10 })
  t.equal(valueOf(ack.request, 'cseq'), '10 ACK')
  t.equal(insideDialog(dialog, bareRequest('BYE'), { flow, contentType: [] }).sequence, 12)
  t.end()
})
