import t from 'tap'
import { escapeUser, userOf } from '../../src/sbc/name-address.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

t.test('the user is read from URIs and header values as they occur', (t) => {
  const cases: readonly (readonly [string | undefined, string])[] = [
    ['sip:4711@example.com', '4711'],
    ['sips:alice@example.com:5061;transport=tcp', 'alice'],
    ['"Alice <A>" <sip:alice@example.com>;tag=1', 'alice'],
    ['"<sip:boss@example.com>" <sip:mallory@example.com>', 'mallory'],
    ['"a \\" <sip:boss@x>" <sip:mallory@example.com>', 'mallory'],
    ['<sip:+4989123@10.0.0.1:5060;user=phone>', '+4989123'],
    ['sip:1234;phone-context=example.com@host', '1234'],
    ['sip:alice:secret@host', 'alice'],
    ['tel:+49-89-123;ext=1', '+4989123'],
    ['SIP:Bob%20B@host', 'Bob B'],
    ['sip:example.com', ''],
    ['', ''],
    [undefined, ''],
    ['*', ''],
    ['sip:%ff@host', ''],
    ['sip:a%0d%0aVia@host', ''],
    ['sip:%C3%A4@host', ''],
  ]
  for (const [value, user] of cases) t.equal(userOf(value), user, value ?? 'undefined')
  t.end()
})

t.test('a long user is cut, and a long value is still read in a moment', (t) => {
  t.equal(userOf(`sip:${'9'.repeat(200)}@host`).length, 64)
  const startedMs = performance.now()
  userOf('<'.repeat(100_000))
  userOf(`sip:${'a;'.repeat(50_000)}`)
  userOf(`tel:${'1'.repeat(100_000)}`)
  t.ok(performance.now() - startedMs < 1_000)
  t.end()
})

t.test('what is escaped for a URI of ours holds no character that ends the user part or the line', (t) => {
  t.equal(escapeUser('4711'), '4711')
  t.equal(escapeUser('a@b c<>"%\r\n'), 'a%40b%20c%3C%3E%22%25%0D%0A')
  t.end()
})

t.test('random values neither throw nor yield what could break a header', (t) => {
  const random = seededRandom(7)
  const pieces = [
    'sip:',
    'sips:',
    'tel:',
    '<',
    '>',
    '@',
    ';',
    ':',
    '%',
    '%4',
    '%41',
    '"',
    '\r\n',
    'ä',
    '😀',
    '\ud800',
    'a',
    '1',
    ' ',
  ]
  for (let round = 0; round < 5_000; round += 1) {
    const value = Array.from({ length: random.below(20) }, () => pieces[random.below(pieces.length)]).join('')
    const user = userOf(value)
    if (!/^[\x20-\x7e]{0,64}$/.test(user)) return void t.fail('a user that cannot be shown')
    const escaped = escapeUser(user)
    if (!/^[\x21-\x7e]*$/.test(escaped) || /[@<>"\s]/.test(escaped)) return void t.fail('a user that breaks a URI')
    if (userOf(`sip:${escaped}@host`) !== (user.split(/[;:]/)[0] ?? '') && !/[?/]/.test(user))
      return void t.fail('a user that changes on the way')
  }
  t.pass('5,000 values')
  t.end()
})
