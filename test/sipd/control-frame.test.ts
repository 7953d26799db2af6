import t from 'tap'
import { FrameDecoder, formatFrame, parseFrame } from '../../src/sipd/control-frame.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

t.test('frames split and coalesced anywhere come out whole, their length counted in bytes', (t) => {
  const random = seededRandom(7).below
  const texts = [
    'a|ping',
    'b|route|invite',
    `c|sip||\r\nMESSAGE sip:a SIP/2.0\r\n\r\n\u{1f600}`,
    `d|sip|x|y|z\r\n${'#'.repeat(5_000)}`,
  ]
  for (let round = 0; round < 500; round += 1) {
    const expected = Array.from({ length: 1 + random(6) }, () => texts[random(texts.length)] ?? '')
    const stream = Buffer.concat(expected.map((text) => Buffer.from(`${Buffer.byteLength(text)}#${text}`)))
    const decoder = new FrameDecoder()
    const got: (Buffer | 'broken')[] = []
    for (let at = 0; at < stream.length;) {
      const size = 1 + random(random(2) === 0 ? 3 : 4_000)
      got.push(...decoder.push(stream.subarray(at, at + size)))
      at += size
    }
    if (got.map(String).join('|') !== expected.join('|')) t.fail('a frame changed')
  }
  t.end()
})

t.test('a stream that is not the protocol is broken for good', (t) => {
  for (const text of ['#a|ping', '0#', 'x#', '123456#', ' 5#abcde', '-1#', 'GET / HTTP/1.1\r\n']) {
    const decoder = new FrameDecoder()
    t.same(decoder.push(Buffer.from(text)), ['broken'], JSON.stringify(text))
    t.same(decoder.push(Buffer.from('6#a|ping')), [])
  }
  t.end()
})

t.test('each kind of frame is read', (t) => {
  t.same(parseFrame(Buffer.from('1|authenticate|s|a,b')), {
    kind: 'authenticate',
    id: '1',
    secret: 's',
    tags: ['a', 'b'],
  })
  t.same(parseFrame(Buffer.from('1|authenticate|s|')), { kind: 'authenticate', id: '1', secret: 's', tags: [] })
  t.same(parseFrame(Buffer.from('1|route|INVITE')), { kind: 'route', id: '1', verb: 'invite' })
  t.same(parseFrame(Buffer.from('1|ping')), { kind: 'ping', id: '1' })
  t.same(parseFrame(Buffer.from('1|sip|t|\r\nACK')), {
    kind: 'sip',
    id: '1',
    transactionId: 't',
    dialogId: undefined,
    routeUrl: undefined,
    sip: Buffer.from('ACK'),
  })
  t.match(parseFrame(Buffer.from('1|sip||d|sip:p\r\nBYE')), { dialogId: 'd', routeUrl: 'sip:p' })
  t.match(parseFrame(Buffer.from('1|proxy|t||||serial|||sip:a|sip:b\r\nINVITE')), { kind: 'proxy', transactionId: 't' })
  t.same(parseFrame(Buffer.from('1|dance')), { kind: 'unknown', id: '1' })
  t.equal(parseFrame(Buffer.from('|ping')), undefined)
  t.equal(parseFrame(Buffer.from(`${'a'.repeat(9_000)}|ping`)), undefined)
  t.end()
})

t.test('20,000 random streams never throw', (t) => {
  const random = seededRandom(99).below
  const pieces = [
    '1',
    '12',
    '#',
    '|',
    'sip',
    'proxy',
    '\r\n',
    'a',
    '\u0000',
    'route|invite',
    '6#a|ping',
    'authenticate|',
  ]
  for (let round = 0; round < 20_000; round += 1) {
    const text = Array.from({ length: random(12) }, () => pieces[random(pieces.length)] ?? '').join('')
    for (const frame of new FrameDecoder().push(Buffer.from(text))) if (frame !== 'broken') parseFrame(frame)
    parseFrame(Buffer.from(text))
  }
  t.end()
})

t.test('a frame is written with its length in bytes', (t) => {
  t.equal(formatFrame(['a', 'sip', ''], Buffer.from('\u00e9')).toString(), '10#a|sip|\r\n\u00e9')
  t.equal(formatFrame(['a', 'response', 'b', 'OK'], undefined).toString(), '15#a|response|b|OK')
  t.end()
})
