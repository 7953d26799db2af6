import t from 'tap'
import { refusalOf } from '../../../src/cde/vault/card-check.ts'
import { TEST_PANS, testCard } from '../../fakes/test-card.ts'

const NOW = Date.UTC(2026, 7, 15)

t.test('every public test number is taken', (t) => {
  for (const pan of Object.values(TEST_PANS)) t.equal(refusalOf(testCard({ pan, expiry: '0828' }), NOW), null)
  t.equal(refusalOf(testCard({ expiry: '', cardCode: '123' }), NOW), null, 'a form need not ask for the expiry')
  t.equal(refusalOf(testCard({ expiry: '0830', cardCode: '1234' }), NOW), null)
  t.end()
})

t.test('a number that is too short or fails the check digit is refused by name', (t) => {
  t.equal(refusalOf(testCard({ pan: '411111111111' }), NOW), 'pan_length')
  t.equal(refusalOf(testCard({ pan: '' }), NOW), 'pan_length')
  t.equal(refusalOf(testCard({ pan: '4111111111111112' }), NOW), 'check_digit_failed')
  t.end()
})

t.test('an expiry in the past, too far off, or of no month is refused', (t) => {
  t.equal(refusalOf(testCard({ expiry: '0826' }), NOW), null, 'good until the end of its month')
  t.equal(refusalOf(testCard({ expiry: '0726' }), NOW), 'expired')
  t.equal(refusalOf(testCard({ expiry: '1249' }), NOW), 'expired', 'no issuer goes that far')
  t.equal(refusalOf(testCard({ expiry: '0027' }), NOW), 'expiry_month')
  t.equal(refusalOf(testCard({ expiry: '1327' }), NOW), 'expiry_month')
  t.end()
})

t.test('a month ends last twelve hours behind UTC', (t) => {
  const card = testCard({ expiry: '0826' })
  t.equal(refusalOf(card, Date.UTC(2026, 8, 1, 11, 59)), null)
  t.equal(refusalOf(card, Date.UTC(2026, 8, 1, 12, 0)), 'expired')
  t.end()
})

t.test('a card code has three or four digits', (t) => {
  t.equal(refusalOf(testCard({ expiry: '0830', cardCode: '12' }), NOW), 'card_code_length')
  t.end()
})
