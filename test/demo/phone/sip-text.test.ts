import t from 'tap'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'
import { formatSip, headerOf, headersOf, hostPortOf, parseSip, tagOf, uriOf } from '../../../src/demo/phone/sip-text.ts'

const INVITE = [
  'INVITE sip:1000@127.0.0.1 SIP/2.0',
  'v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb',
  'f: "A, B" <sip:a@10.0.0.1>;tag=one',
  't: <sip:1000@127.0.0.1>',
  'i: call',
  'CSeq: 1',
  ' INVITE',
  'l: 3',
  '',
  'v=0',
].join('\r\n')

t.test('a message with compact, folded and listed headers is read', (t) => {
  const message = parseSip(Buffer.from(INVITE))
  if (message?.kind !== 'request') throw new Error('the message was not read')
  t.equal(message.method, 'INVITE')
  t.equal(headersOf(message, 'via').length, 2)
  t.equal(headerOf(message, 'cseq'), '1 INVITE')
  t.equal(tagOf(headerOf(message, 'from') ?? ''), 'one')
  t.equal(uriOf(headerOf(message, 'from') ?? ''), 'sip:a@10.0.0.1')
  t.equal(message.body, 'v=0')
  t.same(parseSip(formatSip(message)), {
    ...message,
    headers: [...message.headers.filter(([name]) => name !== 'content-length'), ['content-length', '3']],
  })
  t.end()
})

t.test('what is not SIP is refused', (t) => {
  for (const text of [
    '',
    'hello',
    'INVITE\r\n\r\n',
    'SIP/2.0 99 No\r\n\r\n',
    'INVITE sip:a SIP/2.0\r\nnocolon\r\n\r\n',
  ]) {
    t.equal(parseSip(Buffer.from(text)), undefined)
  }
  t.end()
})

t.test('addresses are read, and names are not resolved', (t) => {
  t.same(hostPortOf('sip:1000@127.0.0.1:5070;transport=udp'), { host: '127.0.0.1', port: 5070 })
  t.same(hostPortOf('sip:127.0.0.1'), { host: '127.0.0.1', port: 5060 })
  t.equal(hostPortOf('sip:a@example.com'), undefined)
  t.end()
})

t.test('ten thousand damaged messages never throw', (t) => {
  const random = seededRandom(3)
  for (let round = 0; round < 10_000; round += 1) {
    const bytes = Buffer.from(INVITE)
    for (let damage = 0; damage < 8; damage += 1) {
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
    }
    parseSip(bytes.subarray(0, Math.floor(random() * bytes.length) + 1))
  }
  t.pass('all were read or refused')
  t.end()
})
