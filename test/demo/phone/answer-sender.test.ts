import t from 'tap'
import { AnswerSender } from '../../../src/demo/phone/answer-sender.ts'
import {
  headerOf,
  headersOf,
  parseSip,
  type Peer,
  type SipMessage,
  type SipRequest,
} from '../../../src/demo/phone/sip-text.ts'

const IDENTITY = { local: { host: '127.0.0.2', port: 5060 }, user: 'payer', displayName: '', userAgent: 'test' }
const SOURCE = { host: '127.0.0.9', port: 4444 }

function request(method: string, toTag = ''): SipRequest {
  return {
    kind: 'request',
    method,
    uri: 'sip:payer@127.0.0.2',
    headers: [
      ['via', 'SIP/2.0/UDP 127.0.0.9:5099;branch=z9hG4bKone;rport'],
      ['via', 'SIP/2.0/UDP 127.0.0.10:5099;branch=z9hG4bKtwo'],
      ['from', '<sip:far@127.0.0.9>;tag=far'],
      ['to', `<sip:payer@127.0.0.2>${toTag}`],
      ['call-id', 'call'],
      ['cseq', `1 ${method}`],
      ['subject', 'not of an answer'],
    ],
    body: '',
  }
}

function sender(t: { readonly teardown: (action: () => void) => unknown }) {
  const sent: { readonly message: SipMessage; readonly to: Peer }[] = []
  const answers = new AnswerSender(IDENTITY, (datagram, to) => {
    const message = parseSip(datagram)
    if (message !== undefined) sent.push({ message, to })
  })
  t.teardown(() => answers.close())
  return { answers, sent }
}

t.test('an answer repeats what ties it to its request, and goes back where that came from', (t) => {
  const { answers, sent } = sender(t)
  const heard = { request: request('INVITE'), source: SOURCE }
  answers.answer(heard, { status: 183, reason: 'Session Progress', tag: 'ours', sdp: 'a description' })
  const [first] = sent
  if (first === undefined) throw new Error('nothing was sent')
  t.match(first, { to: SOURCE, message: { status: 183, body: 'a description' } })
  t.same(headersOf(first.message, 'via'), headersOf(heard.request, 'via'))
  for (const name of ['from', 'call-id', 'cseq']) t.equal(headerOf(first.message, name), headerOf(heard.request, name))
  t.equal(headerOf(first.message, 'to'), '<sip:payer@127.0.0.2>;tag=ours')
  t.equal(headerOf(first.message, 'subject'), undefined)
  t.equal(headerOf(first.message, 'content-type'), 'application/sdp')
  t.end()
})

t.test('a tag that the request brought stays; without any the answer gets one', (t) => {
  const { answers, sent } = sender(t)
  answers.answer({ request: request('BYE', ';tag=known'), source: SOURCE }, { status: 200, reason: 'OK', tag: 'ours' })
  answers.answer({ request: request('OPTIONS'), source: SOURCE }, { status: 200, reason: 'OK' })
  const [bye, options] = sent.map(({ message }) => headerOf(message, 'to') ?? '')
  t.equal(bye, '<sip:payer@127.0.0.2>;tag=known')
  t.match(options, /;tag=[0-9a-f]+$/)
  t.end()
})

t.test('a repeated request gets its last answer again', (t) => {
  const { answers, sent } = sender(t)
  const info = request('INFO')
  t.equal(answers.isNew(info), true)
  t.equal(answers.isNew(info), false)
  t.equal(sent.length, 0, 'there is no answer yet')
  answers.answer({ request: info, source: SOURCE }, { status: 200, reason: 'OK' })
  t.equal(answers.isNew(info), false)
  t.equal(sent.length, 2)
  t.same(sent[1], sent[0])
  t.end()
})

t.test('an answer to INVITE waits for its ACK, which is taken once', (t) => {
  const { answers } = sender(t)
  answers.answerInvite({ request: request('INVITE'), source: SOURCE }, { status: 200, reason: 'OK' })
  t.equal(answers.acknowledged(request('ACK')), true)
  t.equal(answers.acknowledged(request('ACK')), false)
  answers.close()
  answers.close()
  t.end()
})
