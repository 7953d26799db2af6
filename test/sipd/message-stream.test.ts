import t from 'tap'
import { MessageStream, type StreamItem } from '../../src/sipd/message-stream.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const MESSAGES = [
  'OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n',
  'INFO sip:a SIP/2.0\r\nContent-Length : 5\r\n\r\na\r\n\r\n',
  'BYE sip:a SIP/2.0\r\nX: y\r\n\r\n',
  '\r\n',
  '\r\n\r\n',
]

t.test('messages, keep-alives and pings come out whole however the stream is cut', (t) => {
  const random = seededRandom(5).below
  for (let round = 0; round < 500; round += 1) {
    const parts = Array.from({ length: 1 + random(8) }, () => MESSAGES[random(MESSAGES.length)] ?? '')
    const expected = parts.filter((part) => part.trim() !== '')
    const stream = new MessageStream()
    const got: StreamItem[] = []
    const bytes = Buffer.from(parts.join(''))
    for (let at = 0; at < bytes.length;) {
      const size = 1 + random(40)
      got.push(...stream.push(bytes.subarray(at, at + size)))
      at += size
    }
    const messages = got.flatMap((item) => (item.kind === 'message' ? [item.bytes.toString()] : []))
    if (messages.join('|') !== expected.join('|') || got.some(({ kind }) => kind === 'broken'))
      t.fail('the stream was cut wrongly')
  }
  t.same(new MessageStream().push(Buffer.from('\r\n\r\n')), [{ kind: 'ping' }])
  t.end()
})

t.test('a stream whose next message cannot be found is broken; its head, if whole, can be answered', (t) => {
  for (const text of [
    'OPTIONS sip:a SIP/2.0\r\nl: x\r\n\r\n',
    'OPTIONS sip:a SIP/2.0\r\nl: 99999999\r\n\r\n',
    'OPTIONS sip:a SIP/2.0\r\nl: 3\r\nContent-Length : 3\r\n\r\n',
    'a'.repeat(40_000),
  ]) {
    const stream = new MessageStream()
    const head = text.startsWith('a') ? undefined : Buffer.from(text)
    t.same(stream.push(Buffer.from(`${text}rest`)), [{ kind: 'broken', head }])
    t.same(stream.push(Buffer.from(MESSAGES[0] ?? '')), [])
  }
  t.end()
})
