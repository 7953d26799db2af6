import t from 'tap'
import { hideCardNumbers } from '../../src/kit/card-shaped.ts'

t.test('a card number becomes dots, however it is written', (t) => {
  for (const written of [
    '4263982640269299',
    '4263 9826 4026 9299',
    '4263-9826-4026-9299',
    '4263.9826.4026.9299',
    '%34%32%363982640269299',
    '4263%209826%204026%209299',
    '378282246310005',
    '6304000000000000018',
  ]) {
    const hidden = hideCardNumbers(`<sip:${written}@example.com>;tag=a1`)
    t.notMatch(hidden, /\d{4}/, written)
    t.match(hidden, /^<sip:[. -]+(?:%20[.]+)*@example\.com>;tag=a1$/, 'nothing else is changed')
  }
  t.equal(hideCardNumbers('4263982640269299'), '................')
  t.end()
})

t.test('a card number behind a prefix or before more digits is found', (t) => {
  for (const written of ['94263982640269299', '004263982640269299', '4111111111111111123', '1'.repeat(70)])
    t.match(hideCardNumbers(written), /^\.+$/, written)
  t.end()
})

t.test('telephone numbers, addresses and short numbers stay', (t) => {
  for (const text of [
    'sip:+4930123456789@192.168.100.200:5060',
    '18005550199',
    '4263982640269298',
    'z9hG4bK426398264026',
    '42639 82640 26, 9299',
    '',
  ])
    t.equal(hideCardNumbers(text), text)
  t.end()
})

t.test('a long hostile text takes no long time', (t) => {
  const begunMs = performance.now()
  hideCardNumbers('4'.repeat(60_000))
  hideCardNumbers('4 '.repeat(30_000))
  hideCardNumbers(`${'123456789012'.repeat(5)}x`.repeat(1_000))
  t.ok(performance.now() - begunMs < 2_000)
  t.end()
})
