import t from 'tap'
import cardValidator from 'card-validator'
import {
  brandOf,
  codeDigitsOf,
  isPanFull,
  judgePan,
  panDigitsMax,
  someBrandFits,
} from '../../../src/cde/guard/card-rules.ts'
import { BRANDS } from '../../../src/wire/window-progress.ts'
import { seededRandom } from '../../fakes/seeded-random.ts'
import { TEST_PANS, digits, isSound } from '../../fakes/test-card.ts'

t.test('every brand’s test number is good, and with one digit changed its check digit is not', (t) => {
  for (const [brand, pan] of Object.entries(TEST_PANS)) {
    t.same(judgePan(digits(pan), []), { kind: 'good', brand })
    const last = (Number(pan.at(-1)) + 1) % 10
    t.match(judgePan(digits(`${pan.slice(0, -1)}${last}`), []), { kind: 'refused', code: 'check_digit', brand })
  }
  t.end()
})

t.test('brands agree with card-validator’s own judgement on random numbers', (t) => {
  const random = seededRandom(7812)
  const ours: ReadonlySet<string> = new Set(BRANDS)
  for (let round = 0; round < 20_000; round += 1) {
    const pan = String(10_000_000 + random.below(90_000_000))
    const theirs = cardValidator.number(pan).card?.type
    if (theirs !== undefined && !ours.has(theirs)) continue
    // A number that only its two domestic schemes fit is open to them and unknown to us.
    if ((brandOf(digits(pan))?.brand ?? undefined) !== theirs) t.fail(`${pan}: ${theirs ?? 'none'}`)
  }
  t.end()
})

t.test('a brand is open until the digits decide, then its lengths and code length are known', (t) => {
  t.equal(brandOf(digits('4')), null)
  t.match(brandOf(digits('411111')), { brand: 'visa', lengths: [16, 18, 19], codeDigits: 3 })
  t.match(brandOf(digits('34')), { brand: 'american-express', lengths: [15], codeDigits: 4 })
  t.equal(panDigitsMax(digits('34')), 15)
  t.equal(panDigitsMax(digits('4')), 19)
  t.equal(codeDigitsOf('american-express'), 4)
  t.equal(codeDigitsOf('visa'), 3)
  t.end()
})

t.test('a number is full at its brand’s greatest length, or at its usual one with a good check digit', (t) => {
  t.ok(isPanFull(digits('4111111111111111')))
  t.notOk(isPanFull(digits('4111111111111112')), 'could be one of the longer ones')
  t.notOk(isPanFull(digits('411111111111111')))
  t.ok(isPanFull(digits('4111111111111111222')))
  t.ok(isPanFull(digits('5555555555554445')), 'Mastercard has one length')
  t.ok(isPanFull(digits('378282246310006')))
  t.notOk(isPanFull(digits('6200000000000005')), 'UnionPay issues 19 as well')
  t.ok(isPanFull(digits('30569309025904')))
  t.end()
})

t.test('what no brand issues is refused, in words that fit', (t) => {
  t.match(judgePan(digits('9999999999999999'), []), { code: 'unknown_brand', brand: null })
  t.match(judgePan(digits('4'), []), { code: 'too_short' })
  t.match(judgePan(digits('41111111'), []), { code: 'too_short', brand: 'visa' })
  t.match(judgePan(digits(''), []), { code: 'too_short' })
  t.match(judgePan(digits(TEST_PANS.visa), ['mastercard']), { code: 'brand_not_accepted', brand: 'visa' })
  t.match(judgePan(digits(TEST_PANS.visa), ['mastercard', 'visa']), { kind: 'good' })
  t.notOk(someBrandFits(digits('0')))
  t.end()
})

t.test('the check digit agrees with one worked out another way', (t) => {
  const random = seededRandom(99)
  let good = 0
  for (let round = 0; round < 5_000; round += 1) {
    const pan = `4${Array.from({ length: 15 }, () => random.below(10)).join('')}`
    const isGood = judgePan(digits(pan), []).kind === 'good'
    good += isGood ? 1 : 0
    if (brandOf(digits(pan))?.brand === 'visa' && isGood !== isSound(pan)) t.fail(pan)
  }
  t.ok(good > 300 && good < 700)
  t.end()
})
