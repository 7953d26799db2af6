import t from 'tap'
import cardValidator from 'card-validator'
import { brandOf } from '../../../src/cde/vault/brand.ts'
import { digits, TEST_PANS } from '../../fakes/test-card.ts'

t.test('the public test numbers are of their brand', (t) => {
  for (const [brand, pan] of Object.entries(TEST_PANS)) t.equal(brandOf(digits(pan)), brand)
  t.end()
})

t.test('ranges begin and end where they should', (t) => {
  const at = (start: string) => brandOf(digits(start.padEnd(16, '0')))
  t.same([at('2220'), at('2221'), at('2720'), at('2721')], ['unknown', 'mastercard', 'mastercard', 'unknown'])
  t.same([at('50'), at('51'), at('55'), at('56')], ['maestro', 'mastercard', 'mastercard', 'maestro'])
  t.same([at('3527'), at('3528'), at('3589'), at('3590')], ['unknown', 'jcb', 'jcb', 'unknown'])
  t.same([at('305'), at('306'), at('643'), at('644')], ['diners-club', 'unknown', 'maestro', 'discover'])
  t.same([at('9'), at('0')], ['unknown', 'unknown'])
  t.end()
})

t.test('it agrees with card-validator wherever that one is sure of one of our brands', (t) => {
  const ours = new Set(['visa', 'mastercard', 'american-express', 'jcb'])
  let compared = 0
  for (let start = 1000; start < 10_000; start += 1) {
    const theirs = cardValidator.number(String(start).padEnd(16, '0')).card?.type
    if (theirs === undefined || !ours.has(theirs)) continue
    compared += 1
    if (brandOf(digits(String(start).padEnd(16, '0'))) !== theirs) t.fail(`disagrees on ${start}`)
  }
  t.ok(compared > 1_500)
  t.end()
})
