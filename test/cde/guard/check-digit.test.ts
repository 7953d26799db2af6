import t from 'tap'
import { hasGoodCheckDigit } from '../../../src/cde/guard/check-digit.ts'
import { TEST_PANS, digits } from '../../fakes/test-card.ts'

t.test('public test numbers pass, and with any one digit changed they do not', (t) => {
  for (const pan of Object.values(TEST_PANS)) {
    t.ok(hasGoodCheckDigit(digits(pan)))
    for (let place = 0; place < pan.length; place += 1) {
      const changed = digits(pan)
      changed[place] = ((changed[place] ?? 0) + 3) % 10
      if (hasGoodCheckDigit(changed)) t.fail('a wrong digit went unseen')
    }
  }
  t.end()
})

t.test('no digits are not sound', (t) => {
  t.notOk(hasGoodCheckDigit(new Uint8Array()))
  t.end()
})
