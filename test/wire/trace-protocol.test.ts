import t from 'tap'
import { parseSbcToSipd, parseSipdToSbc, type TracedMessage } from '../../src/wire/trace-protocol.ts'

const MESSAGE: TracedMessage = {
  sequence: 1,
  atMs: 1_795_335_000_000,
  direction: 'received',
  transport: 'tls',
  local: 'sip.example.com:5061',
  remote: '[2001:db8::1]:40112',
  text: 'BYE sip:a@x SIP/2.0\r\nSubject: Gr\u00fc\u00dfe\r\n\r\n',
}

t.test('a question and its answer are read', (t) => {
  const question = { type: 'trace.read', sipCallIds: ['a@x', 'b'] }
  t.same(parseSbcToSipd(question), question)
  const answer = { type: 'trace.messages', messages: [MESSAGE] }
  t.same(parseSipdToSbc(answer), answer)
  t.end()
})

t.test('what sipd would never say is refused', (t) => {
  t.equal(parseSbcToSipd({ type: 'trace.read', sipCallIds: Array<string>(33).fill('a') }), null)
  for (const changed of [
    { sequence: 0 },
    { sequence: 4_263_982_640_269_299 },
    { atMs: 1 },
    { direction: 'seen' },
    { transport: 'ws' },
    { remote: 'a b' },
    { text: '' },
    { text: '\u001b[2J' },
    { text: '\u20ac' },
    { text: 'x'.repeat(65_537) },
    { more: 1 },
  ])
    t.equal(
      parseSipdToSbc({ type: 'trace.messages', messages: [{ ...MESSAGE, ...changed }] }),
      null,
      JSON.stringify(changed).slice(0, 50),
    )
  t.end()
})
