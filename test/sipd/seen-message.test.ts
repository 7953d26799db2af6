import t from 'tap'
import { parseMessage } from '../../src/sipd/message-parser.ts'
import { seeMessage } from '../../src/sipd/seen-message.ts'
import { needlesOf, searchBytes } from '../fakes/canary-search.ts'

const CARD = '4263982640269299'
const NEEDLES = needlesOf(CARD)

function message(startLine: string, headers: readonly string[], body = ''): Buffer {
  const head = [startLine, 'Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa', ...headers]
  return Buffer.from(`${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'latin1')
}

const DIALOG = ['From: <sip:a@x>;tag=1', 'To: <sip:b@y>;tag=2', 'Call-ID: c1@x']
const INVITE = [...DIALOG, 'CSeq: 1 INVITE', 'Content-Type: application/sdp']
const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 192.0.2.1',
  `s=${CARD}`,
  `i=${CARD}`,
  'c=IN IP4 192.0.2.1',
  't=0 0',
  `k=clear:${CARD}`,
  'm=audio 4000 RTP/SAVP 0 101',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=fmtp:101 0-15',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz',
  'a=ice-pwd:asd88fgpdd777uzjYhagZg',
  `a=x-note:${CARD}`,
  'a=sendrecv',
].join('\r\n')

t.test('an INVITE keeps what shows its way and its media, and is a SIP message again', (t) => {
  const seen = seeMessage(message('INVITE sip:18005550199@y SIP/2.0', [...INVITE, 'X-Card: 4263982640269299'], SDP))
  t.equal(seen?.callId, 'c1@x')
  t.equal(seen?.method, 'INVITE')
  t.equal(seen?.status, null)
  const parsed = parseMessage(Buffer.from(seen?.text ?? '', 'latin1'))
  if (parsed.kind !== 'message') throw new Error('no message')
  const body = parsed.message.body.toString()
  t.match(body, /m=audio 4000 RTP\/SAVP 0 101\r\n/)
  t.match(body, /a=rtpmap:0 PCMU\/8000\r\na=rtpmap:101 telephone-event\/8000\r\na=fmtp:101 0-15\r\n/)
  t.match(body, /s=-\r\n/)
  t.notMatch(seen?.text ?? '', /crypto|inline|ice-pwd|x-note|X-Card|k=|i=/)
  t.same(searchBytes(Buffer.from(seen?.text ?? ''), NEEDLES), [])
  t.end()
})

t.test('bodies that may hold a key are named by their type alone', (t) => {
  for (const [method, type, body] of [
    ['INFO', 'application/dtmf-relay', 'Signal=4\r\nDuration=160\r\n'],
    ['INFO', 'application/dtmf', '4'],
    ['INFO', 'application/dtmf-relay;signal=7', 'Signal=7\r\nDuration=160\r\n'],
    ['INFO', 'application/sdp', 'v=0\r\nm=audio 4 RTP/AVP 0\r\n'],
    ['NOTIFY', 'application/kpml-response+xml', '<kpml-response digits="4263982640269299"/>'],
    ['MESSAGE', 'text/plain', 'my card is 4263982640269299'],
    ['INVITE', 'multipart/mixed;boundary=x', '--x\r\nContent-Type: text/plain\r\n\r\n4\r\n--x--'],
    ['INVITE', 'application/sdpx', 'v=4'],
  ] as const) {
    const bytes = message(`${method} sip:a@x SIP/2.0`, [...DIALOG, `CSeq: 2 ${method}`, `c: ${type}`], body)
    const { text = '' } = seeMessage(bytes) ?? {}
    t.ok(text.endsWith('Content-Length: 0\r\n\r\n'), `${method} ${type}`)
    t.match(text, 'X-Tonewall-Left-Out: body\r\n')
    t.match(text, `Content-Type: ${type.split(';')[0] ?? ''}\r\n`)
    const longer = message(
      `${method} sip:a@x SIP/2.0`,
      [...DIALOG, `CSeq: 2 ${method}`, `c: ${type}\r\n ;key=1`],
      `${body}11`,
    )
    t.equal(seeMessage(longer)?.text, text, 'nor does its length or a parameter stand there')
    t.notMatch(text.split('\r\n\r\n')[1] ?? '', /./)
  }
  t.end()
})

t.test('a card number that hides in a URI, a name, a reason or a Call-ID is dots', (t) => {
  const hostile = [
    message(`INVITE sip:${CARD}@y SIP/2.0`, [...INVITE]),
    message('INVITE sip:42639826%34026%39299@y SIP/2.0', [...INVITE]),
    message('INVITE sip:b@y SIP/2.0', [
      `From: "4263 9826 4026 9299" <sip:${CARD}@x;user=phone>;tag=${CARD}`,
      `t: <tel:+${CARD}>`,
      `i: ${CARD}@x`,
      'CSeq: 1 INVITE',
      `User-Agent: ua/${CARD}`,
      `Contact: <sip:a@x>`,
      ` ;note=${CARD}`,
      `Diversion: <sip:4263-9826-4026-9299@x>`,
    ]),
    message(`SIP/2.0 486 Busy ${CARD}`, [...DIALOG, 'CSeq: 1 INVITE', `Warning: 399 x "${CARD}"`]),
  ]
  for (const bytes of hostile) {
    const seen = seeMessage(bytes)
    if (!t.ok(seen)) continue
    t.same(searchBytes(Buffer.from(JSON.stringify(seen)), NEEDLES), [])
    t.ok(parseMessage(Buffer.from(seen?.text ?? '', 'latin1')).kind === 'message')
  }
  t.end()
})

t.test('what is no message is not seen, and nothing throws', (t) => {
  for (const text of [
    '',
    '\r\n\r\n',
    'hello\r\n\r\n',
    'INVITE sip:a SIP/2.0\r\n\r\n',
    'INVITE sip:a SIP/2.0\r\nCall-ID: a\r\n\r\n',
    'INVITE sip:a SIP/2.0\r\nCall-ID: a\r\nCSeq: \u0000\r\n\r\n',
    'GET / HTTP/1.1\r\nCall-ID: a\r\nCSeq: 1 GET\r\n\r\n',
    ': \r\n\r\n',
  ])
    t.equal(seeMessage(Buffer.from(text)), null, JSON.stringify(text))
  t.end()
})

t.test('a message of many or long headers is cut', (t) => {
  const many = Array.from({ length: 150 }, (_, index) => `Via: SIP/2.0/UDP h${index};branch=z9hG4bKb`)
  const seen = seeMessage(
    message('OPTIONS sip:a@x SIP/2.0', [...DIALOG, 'CSeq: 1 OPTIONS', ...many, `To: ${'a'.repeat(8_000)}`]),
  )
  t.ok((seen?.text.length ?? Infinity) < 6_000)
  t.end()
})
