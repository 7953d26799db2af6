import t from 'tap'
import { HEADERS_MAX, parseMessage } from '../../src/sipd/message-parser.ts'
import { openEnvelope } from '../../src/sipd/envelope.ts'
import { listOf, serialize, valueOf } from '../../src/sipd/message.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

const message = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1')
const USUAL = [
  'Via: SIP/2.0/UDP a.invalid;branch=z9hG4bK1',
  'From: <sip:a@a>;tag=1',
  'To: <sip:b@b>',
  'Call-ID: c',
  'CSeq: 1 OPTIONS',
]

t.test('compact names, folded lines and lists are read, and written with long names', (t) => {
  const parsed = parseMessage(
    message(
      'INVITE sip:b@b SIP/2.0',
      'v: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP c',
      ' ;branch=z9hG4bK2',
      'f: "A, \\"B\\"" <sip:a@a>;tag=1',
      't : <sip:b@b>',
      'i: c',
      'cSEQ: 1 INVITE',
      'l: 3',
      'x-Own:  kept ',
      '',
      'abcdef',
    ),
  )
  if (parsed.kind !== 'message') throw new Error(parsed.kind)
  t.same(listOf(parsed.message, 'via'), ['SIP/2.0/UDP a;branch=z9hG4bK1', 'SIP/2.0/TCP c ;branch=z9hG4bK2'])
  t.equal(parsed.message.body.toString(), 'abc', 'what follows Content-Length is ignored')
  const written = serialize(parsed.message).toString()
  t.match(written, /^INVITE sip:b@b SIP\/2\.0\r\nVia: /)
  t.match(written, '\r\nx-Own: kept\r\n')
  t.match(written, /\r\nContent-Length: 3\r\n\r\nabc$/)
  t.end()
})

t.test('bytes that are not ASCII pass through unchanged', (t) => {
  const bytes = Buffer.from(
    'MESSAGE sip:b@b SIP/2.0\r\nSubject: h\u00e9 \u{1f600}\r\nContent-Length: 4\r\n\r\n\u{1f600}',
  )
  const parsed = parseMessage(bytes)
  t.same(parsed.kind === 'message' ? serialize(parsed.message) : undefined, bytes)
  t.end()
})

t.test('a status line may lack its reason', (t) => {
  const parsed = parseMessage(message('SIP/2.0 200', ...USUAL, '', ''))
  t.match(parsed, { kind: 'message', message: { kind: 'response', status: 200, reason: '' } })
  t.end()
})

t.test('a control character is read behind a backslash in a quoted string, and nowhere else', (t) => {
  const kind = (line: string): string => parseMessage(message('OPTIONS sip:b@b SIP/2.0', line, ...USUAL, '', '')).kind
  t.equal(kind('X: "NUL \\\u0000, \\" and \\\u007f"'), 'message')
  for (const line of ['X: \\\u0000', 'X: "\u0000"', 'X: "a" \\\u0000', 'X: "open', 'X: "\\\\\u0000"'])
    t.equal(kind(line), line === 'X: "open' ? 'message' : 'refused', line)
  t.equal(kind('X: "open\r\nY: \\\u0000"'), 'refused', 'a string does not go on in the next header field')
  t.end()
})

t.test('of a broken request line is read what an answer needs', (t) => {
  for (const line of ['OPTIONS  sip:b@b SIP/2.0', 'OPTIONS sip:b@b; lr SIP/2.0', 'OPTIONS sip:b@b SIP/2.0 ']) {
    const parsed = parseMessage(message(line, ...USUAL, '', ''))
    t.match(parsed, { kind: 'refused', code: 'start_line', partial: { method: 'OPTIONS' } }, line)
  }
  t.match(parseMessage(message('OPTIONS sip:b@b', ...USUAL, '', '')), { code: 'start_line', partial: undefined })
  t.end()
})

t.test('what two readers could read differently is refused by name', (t) => {
  const cases: readonly (readonly [string, Buffer])[] = [
    ['head_unterminated', message('OPTIONS sip:b@b SIP/2.0', ...USUAL)],
    ['start_line', message('OPTIONS  sip:b@b SIP/2.0', ...USUAL, '', '')],
    ['start_line', message('OPT(IONS sip:b@b SIP/2.0', ...USUAL, '', '')],
    ['start_line', message('SIP/2.0 999 No', ...USUAL, '', '')],
    ['version', message('OPTIONS sip:b@b SIP/3.0', ...USUAL, '', '')],
    ['control_character', message('OPTIONS sip:b@b SIP/2.0', 'X: a\u0000b', ...USUAL, '', '')],
    ['control_character', message('OPTIONS sip:b@b SIP/2.0', 'X: a\rCall-ID: d', ...USUAL, '', '')],
    ['control_character', message('OPTIONS sip:b@b SIP/2.0', 'X: a\nCall-ID: d', ...USUAL, '', '')],
    ['header_syntax', message('OPTIONS sip:b@b SIP/2.0', 'no colon', ...USUAL, '', '')],
    ['header_syntax', message('OPTIONS sip:b@b SIP/2.0', ': no name', ...USUAL, '', '')],
    ['header_repeated', message('OPTIONS sip:b@b SIP/2.0', ...USUAL, 'i: other', '', '')],
    ['header_repeated', message('OPTIONS sip:b@b SIP/2.0', ...USUAL, 'Content-Length: 0', 'l: 5', '', '')],
    ['content_length', message('OPTIONS sip:b@b SIP/2.0', ...USUAL, 'Content-Length: -1', '', '')],
    ['content_length', message('OPTIONS sip:b@b SIP/2.0', ...USUAL, 'Content-Length: 1e3', '', '')],
    ['body_short', message('OPTIONS sip:b@b SIP/2.0', ...USUAL, 'Content-Length: 5', '', 'abc')],
    ['body_too_long', message('OPTIONS sip:b@b SIP/2.0', ...USUAL, 'Content-Length: 99999999', '', 'abc')],
    ['header_too_long', message('OPTIONS sip:b@b SIP/2.0', `X: ${'a'.repeat(9_000)}`, ...USUAL, '', '')],
    [
      'headers_too_many',
      message('OPTIONS sip:b@b SIP/2.0', ...Array.from({ length: HEADERS_MAX + 1 }, () => 'X: a'), '', ''),
    ],
    [
      'head_too_long',
      message('OPTIONS sip:b@b SIP/2.0', ...Array.from({ length: 190 }, () => `X: ${'a'.repeat(200)}`), '', ''),
    ],
  ]
  for (const [code, bytes] of cases) t.match(parseMessage(bytes), { kind: 'refused', code }, code)
  t.same(parseMessage(Buffer.from('\r\n\r\n')), { kind: 'keep_alive' })
  t.end()
})

t.test('20,000 damaged messages never throw, and what is accepted survives being written and read again', (t) => {
  const random = seededRandom(20_261_122).below
  const seeds = [
    message(
      'INVITE sip:b@b:5060;transport=tcp SIP/2.0',
      ...USUAL,
      'Contact: "a" <sip:a@[2001:db8::1]:5060;lr>;q=0.5, <sip:b@c>',
      'Route: <sip:x;lr>',
      'Content-Length: 5',
      '',
      'v=0\r\n',
    ),
    message('SIP/2.0 183 Session Progress', ...USUAL, 'RSeq: 1', 'Require: 100rel', 'l: 0', '', ''),
    message(
      'REGISTER sip:b SIP/2.0',
      'v: SIP/2.0/TCP [::1]:5060;rport;branch=z9hG4bKx;received=::1',
      ...USUAL.slice(1),
      'X: a',
      '\tfolded',
      '',
      '',
    ),
  ]
  const pieces = [
    '\r\n',
    '\r',
    '\n',
    '\u0000',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '"',
    '\\',
    '<',
    '>',
    '@',
    '=',
    '%00',
    'SIP/2.0',
    '\r\n\r\n',
    'Content-Length: 99',
    'z9hG4bK',
    '\u00ff',
    '['.repeat(40),
    '"'.repeat(41),
    ','.repeat(300),
  ]
  let accepted = 0
  for (let round = 0; round < 20_000; round += 1) {
    let text = (seeds[random(seeds.length)] ?? Buffer.alloc(0)).toString('latin1')
    for (let damage = random(5); damage >= 0; damage -= 1) {
      const at = random(text.length + 1)
      const cut = random(4) === 0 ? random(60) : random(2)
      text = text.slice(0, at) + (pieces[random(pieces.length)] ?? '') + text.slice(at + cut)
    }
    const parsed = parseMessage(Buffer.from(text, 'latin1'))
    if (parsed.kind === 'refused' && parsed.partial !== undefined) serialize(parsed.partial)
    if (parsed.kind !== 'message') continue
    accepted += 1
    const envelope = openEnvelope(parsed.message)
    const again = parseMessage(serialize(parsed.message))
    if (again.kind !== 'message') {
      t.fail('a message that was accepted could not be read again')
      continue
    }
    const second = openEnvelope(again.message)
    if (JSON.stringify(second, replacer) !== JSON.stringify(envelope, replacer)) t.fail('the envelope changed')
    if (valueOf(again.message, 'call-id') !== valueOf(parsed.message, 'call-id')) t.fail('the Call-ID changed')
  }
  t.ok(accepted > 2_000, 'the damage leaves enough messages readable to test them')
  t.end()
})

function replacer(_: string, value: unknown): unknown {
  return value instanceof Map ? [...value.entries()] : value
}
