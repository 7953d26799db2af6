import t from 'tap'
import { expiryDigitsMax, isExpiryFull, judgeExpiry } from '../../../src/cde/guard/expiry.ts'
import { digits } from '../../fakes/test-card.ts'

/** The middle of February 2026. */
const NOW_MS = Date.UTC(2026, 1, 15)

t.test('month and year are read as payers key them', (t) => {
  for (const keyed of ['0528', '528', '052028'])
    t.same(judgeExpiry(digits(keyed), NOW_MS), { kind: 'good', month: 5, yearOfCentury: 28 }, keyed)
  t.end()
})

t.test('what is no date, too short, past or too far ahead is refused', (t) => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'too_short'],
    ['05', 'too_short'],
    ['1328', 'not_a_date'],
    ['0028', 'not_a_date'],
    ['028', 'not_a_date'],
    ['05282', 'not_a_date'],
    ['051999', 'not_a_date'],
    ['0199', 'not_a_date'],
    ['0126', 'expired'],
    ['1225', 'expired'],
    ['0520', 'expired'],
    ['052020', 'expired'],
  ]
  for (const [keyed, code] of table) t.same(judgeExpiry(digits(keyed), NOW_MS), { kind: 'refused', code }, keyed)
  t.end()
})

t.test('a card is good until its month has ended everywhere on earth', (t) => {
  t.match(judgeExpiry(digits('0226'), Date.UTC(2026, 1, 28, 23)), { kind: 'good' })
  t.match(judgeExpiry(digits('0226'), Date.UTC(2026, 2, 1, 11)), { kind: 'good' })
  t.match(judgeExpiry(digits('0226'), Date.UTC(2026, 2, 1, 13)), { code: 'expired' })
  t.end()
})

t.test('four digits are full, unless they are the start of a year of four digits', (t) => {
  t.notOk(isExpiryFull(digits('052')))
  t.ok(isExpiryFull(digits('0528')))
  t.notOk(isExpiryFull(digits('0520')))
  t.ok(isExpiryFull(digits('052028')))
  t.equal(expiryDigitsMax(digits('05')), 4)
  t.equal(expiryDigitsMax(digits('0520')), 6)
  t.end()
})
