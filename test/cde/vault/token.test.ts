import t from 'tap'
import { hideCardNumbers } from '../../../src/kit/card-shaped.ts'
import {
  lastFourOf,
  newDigitsToken,
  newToken,
  newTokens,
  randomLetters,
  TOKEN_PATTERN,
} from '../../../src/cde/vault/token.ts'
import { digits, isSound, numberedPan } from '../../fakes/test-card.ts'

t.test('a token keeps the last four and its digits never pass the check digit', (t) => {
  for (let index = 0; index < 10_000; index += 7) {
    const pan = numberedPan(index * 10_007)
    const token = newToken(digits(pan))
    if (!TOKEN_PATTERN.test(token) || !token.endsWith(`_${pan.slice(-4)}`)) t.fail('not a token')
    if (isSound(token.replace(/\D/g, ''))) t.fail('passes the check digit')
  }
  t.end()
})

t.test('the same card gets another token each time it is asked, with every allowed digit', (t) => {
  const pan = digits('4111111111111111')
  const tokens = Array.from({ length: 500 }, () => newToken(pan))
  t.equal(new Set(tokens).size, 500)
  t.equal(new Set(tokens.map((token) => token.at(-6))).size, 9)
  t.end()
})

t.test('no six digits follow each other in a token', (t) => {
  t.notMatch(newToken(digits('4111111111111111')), /(?:\D*\d){6}/)
  t.end()
})

t.test('random letters use the whole alphabet', (t) => {
  t.match(randomLetters(50), /^[a-z]{50}$/)
  t.equal(new Set(randomLetters(2_000)).size, 26)
  t.equal(lastFourOf(digits('4111111111110009')), '0009')
  t.end()
})

t.test('a token of digits is never sound, begins like no card, and holds no piece that does', (t) => {
  for (let length = 13; length <= 19; length += 1) {
    const pan = digits('4'.repeat(length - 4) + '9299')
    for (let round = 0; round < 300; round += 1) {
      const token = newDigitsToken(pan)
      if (!TOKEN_PATTERN.test(token) || token.length !== length || !token.endsWith('9299')) t.fail('not a token')
      if (isSound(token) || hideCardNumbers(token) !== token) t.fail('looks like a card')
    }
  }
  const tokens = newTokens(digits('4111111111111111'), 'digits')
  t.equal(new Set(tokens).size, tokens.length)
  t.ok(tokens.length > 1)
  t.equal(newTokens(digits('4111111111111111'), 'letters').length, 1)
  t.end()
})
