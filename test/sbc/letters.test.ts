import t from 'tap'
import { lettersOf, randomLetters } from '../../src/sbc/letters.ts'

t.test('an id has the length that was asked for and nothing but letters', (t) => {
  for (const length of [0, 1, 16, 20]) t.match(randomLetters(length), new RegExp(`^[a-z]{${length}}$`))
  t.end()
})

t.test('ids do not repeat, and every letter occurs', (t) => {
  const ids = Array.from({ length: 2_000 }, () => randomLetters(16))
  t.equal(new Set(ids).size, ids.length)
  t.equal(new Set(ids.join('')).size, 26)
  t.end()
})

t.test('a text always has the same letters, and another text others', (t) => {
  t.equal(lettersOf('tonewall-127.0.0.1-9220-', 16), lettersOf('tonewall-127.0.0.1-9220-', 16))
  t.match(lettersOf('tonewall-127.0.0.1-9220-', 16), /^[a-z]{16}$/)
  const names = Array.from({ length: 500 }, (_, port) => lettersOf(['tonewall-127.0.0.1', port].join('-'), 16))
  t.equal(new Set(names).size, names.length)
  t.end()
})
