import t from 'tap'
import { passesCheckDigit } from '../../../src/cde/vault/check-digit.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { digits, isSound, TEST_PANS } from '../../fakes/test-card.ts'

t.test('the public test numbers pass, and fail with any one digit changed', (t) => {
  for (const pan of Object.values(TEST_PANS)) {
    t.ok(passesCheckDigit(digits(pan)))
    for (let index = 0; index < pan.length; index += 1) {
      const wrong = digits(pan)
      wrong[index] = ((wrong[index] ?? 0) + 1) % 10
      if (passesCheckDigit(wrong)) t.fail('a changed digit was not noticed')
    }
  }
  t.end()
})

t.test('it agrees with another way to work it out', (t) => {
  const random = seededRandom(1)
  for (let round = 0; round < 5_000; round += 1) {
    const pan = Array.from({ length: 1 + random.below(19) }, () => random.below(10)).join('')
    if (passesCheckDigit(digits(pan)) !== isSound(pan)) t.fail('disagrees')
  }
  t.end()
})

t.test('nothing is not a number', (t) => {
  t.notOk(passesCheckDigit(digits('')))
  t.end()
})
