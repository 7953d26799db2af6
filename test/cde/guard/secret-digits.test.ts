import t from 'tap'
import { inspect } from 'node:util'
import { SECRET_DIGITS_MAX, SecretDigits } from '../../../src/cde/guard/secret-digits.ts'

t.test('digits can be counted and lent, and a full field takes no more', (t) => {
  const secret = new SecretDigits()
  for (let digit = 0; digit < SECRET_DIGITS_MAX; digit += 1) t.ok(secret.append(digit % 10))
  t.notOk(secret.append(1))
  t.equal(secret.length, SECRET_DIGITS_MAX)
  t.equal(
    secret.reveal((digits) => digits.reduce((sum, digit) => sum + digit, 0)),
    81,
  )
  t.end()
})

t.test('nothing prints the digits', (t) => {
  const secret = new SecretDigits()
  for (const digit of [4, 9, 4, 9, 4, 9]) secret.append(digit)
  for (const text of [JSON.stringify({ secret }), inspect(secret, { depth: 9, showHidden: true })])
    t.notMatch(text, /4.{0,4}9.{0,4}4.{0,4}9/)
  t.end()
})

t.test('wiping overwrites what was lent, twice without harm, and ends all use', (t) => {
  const secret = new SecretDigits()
  secret.append(7)
  const view = secret.reveal((digits) => digits)
  secret.wipe()
  secret.wipe()
  t.same([...view], [0])
  t.throws(() => secret.append(1))
  t.throws(() => secret.reveal(() => null))
  t.end()
})

t.test('what is no digit is a broken assumption, and the error does not say what it was', (t) => {
  for (const value of [-1, 10, 1.5, NaN]) t.throws(() => new SecretDigits().append(value), { message: 'not a digit' })
  t.end()
})
