import t from 'tap'
import { FieldEntry } from '../../../src/cde/guard/field-entry.ts'
import type { Form } from '../../../src/wire/guard-protocol.ts'
import { TEST_PANS } from '../../fakes/test-card.ts'

const DATE_MS = Date.UTC(2026, 1, 15)
const FORM: Form = {
  fields: ['card-number', 'expiry', 'card-code'],
  brands: [],
  tries: 3,
  interDigitMs: 5_000,
  totalMs: 60_000,
}

/** Keys every 200 ms; `_` is a pause of 2 s, `~` one of 6 s with the clock's tick, and `!` a key again sooner than a hand. */
function entered(keys: string, form: Partial<Form> = {}): { entry: FieldEntry; type: (more: string) => void } {
  const entry = new FieldEntry({ ...FORM, ...form })
  let nowMs = 0
  let doubled = false
  entry.step({ kind: 'begin', nowMs })
  const type = (more: string) => {
    for (const key of more) {
      if (key === '_') nowMs += 2_000
      else if (key === '!') doubled = true
      else if (key === '~') {
        nowMs += 6_000
        entry.step({ kind: 'time', nowMs, dateMs: DATE_MS })
      } else {
        nowMs += 200
        const number = key === '*' ? 10 : key === '#' ? 11 : key === 'A' ? 12 : Number(key)
        entry.step({ kind: 'key', key: number, doubled, nowMs, dateMs: DATE_MS })
        doubled = false
      }
    }
  }
  type(keys)
  return { entry, type }
}

/** The card as the vault would get it; a test may make text of its own public numbers. */
const cardOf = (entry: FieldEntry) =>
  entry.lend((card) => [card.pan, card.expiry, card.cardCode].map((digits) => digits.join('')))

t.test('complete entries', (t) => {
  const good: readonly (readonly [string, string, string])[] = [
    ['each field ends itself', '41111111111111111228123', 'nothing but digits'],
    ['each field is ended by #', '4111111111111111#1228#123#', 'the # after a full field is swallowed'],
    ['* empties the field', '4111*4111111111111111#12*1228#12*123', 'and costs no try'],
    ['A to D are nothing', 'A4111A111111111111A12A281A23', ''],
    ['a pause after a good field', '6200000000000005~1228123', 'UnionPay waits for longer numbers'],
    ['expiry without its zero', '4111111111111111528#123', ''],
    ['expiry with a whole year', '4111111111111111052028123', ''],
    ['American Express has four digits of code', '37828224631000512281234', ''],
    ['# again and again', '###4111111111111111##1228##123', ''],
  ]
  for (const [name, keys, why] of good) {
    const { entry } = entered(keys)
    t.equal(entry.state.kind, 'complete', `${name}: ${why}`)
    t.match(entry.progress(), [{ state: 'accepted' }, { state: 'accepted' }, { state: 'accepted' }])
    t.match(cardOf(entry)[1], /^(1228|0528)$/)
  }
  t.same(cardOf(entered('4111111111111111#528#123#').entry), [TEST_PANS.visa, '0528', '123'])
  t.end()
})

t.test('what is wrong is said, wiped, and costs a try', (t) => {
  const table: readonly (readonly [string, number, string])[] = [
    ['4111111111111112#', 0, 'check_digit'],
    ['41111#', 0, 'too_short'],
    ['99999#', 0, 'unknown_brand'],
    ['41111~', 0, 'inter_digit_timeout'],
    ['4111111111111112~', 0, 'check_digit'],
    ['41!11111111111111#', 0, 'keys_doubled'],
    ['41111111111111111399', 1, 'not_a_date'],
    ['41111111111111110125', 1, 'expired'],
    ['411111111111111112281#', 2, 'code_length'],
    ['41111111111111111228!11~', 2, 'keys_doubled'],
  ]
  for (const [keys, index, problem] of table) {
    const { entry } = entered(keys)
    const field = entry.progress()[index]
    t.match(field, { state: 'refused', entered: 0, problem, triesLeft: 2 }, `${keys}: ${problem}`)
    t.equal(entry.state.kind, 'entering')
  }
  t.match(entered('4111111111111111', { brands: ['mastercard'] }).entry.progress()[0], {
    problem: 'brand_not_accepted',
  })
  t.end()
})

t.test('after the last try the capture has failed, and nothing is left of the digits', (t) => {
  t.match(entered('4111111111111111#9#9#').entry.state, { kind: 'entering' })
  const failed = entered('41#41#41#').entry
  t.same(failed.state, { kind: 'failed', failure: 'tries_exhausted' })
  t.match(failed.progress()[0], { entered: 0, triesLeft: 0 })
  t.throws(() => cardOf(failed))
  t.end()
})

t.test('keys that follow a refused full field at once belong to the old try', (t) => {
  const { entry, type } = entered('5555555555554445' + '44#')
  t.match(entry.progress()[0], { state: 'refused', problem: 'check_digit', entered: 0, triesLeft: 2 })
  type('_5555555555554444')
  t.match(entry.progress()[0], { state: 'accepted', brand: 'mastercard', lastFour: '4444' })
  t.end()
})

t.test('progress shows the brand as soon as it is known, and the last four only of an accepted number', (t) => {
  const { entry, type } = entered('411111')
  t.match(entry.progress()[0], { entered: 6, brand: 'visa', lastFour: null, digitsMax: 19, state: 'entering' })
  type('1111111111')
  t.match(entry.progress()[0], { entered: 16, digitsMax: 16, lastFour: '1111' })
  t.match(entry.progress()[2], { state: 'waiting', digitsMax: 3 })
  t.same(entry.accepted(), { brand: 'visa', lastFour: '1111' })
  t.end()
})

t.test('the agent clears a field, or the one that is being entered', (t) => {
  const { entry, type } = entered('4111111111111111122812')
  entry.step({ kind: 'clear', field: null })
  t.match(entry.progress()[2], { state: 'waiting', entered: 0, triesLeft: 3 })
  type('12')
  entry.step({ kind: 'clear', field: 'card-number' })
  t.match(entry.progress(), [{ state: 'waiting', brand: null }, { state: 'accepted' }, { state: 'waiting' }])
  type('378282246310005' + '1234')
  t.same(cardOf(entry), [TEST_PANS['american-express'], '1228', '1234'])
  t.end()
})

t.test('time limits: between digits, and for all', (t) => {
  const { entry } = entered('41')
  t.equal(entry.dueMs(), 5_400)
  t.equal(new FieldEntry(FORM).dueMs(), null)
  entry.step({ kind: 'time', nowMs: 60_000, dateMs: DATE_MS })
  t.same(entry.state, { kind: 'failed', failure: 'time_limit' })
  t.throws(() => cardOf(entry))
  t.end()
})

t.test('cancelling wipes, and no later input changes anything', (t) => {
  const { entry, type } = entered('4111')
  entry.step({ kind: 'cancel' })
  type('1111')
  entry.step({ kind: 'clear', field: null })
  t.same(entry.state, { kind: 'cancelled' })
  t.match(entry.progress()[0], { state: 'waiting', entered: 0 })
  t.throws(() => cardOf(entry))
  entry.wipe()
  const wiped = entered('41').entry
  wiped.wipe()
  t.match(wiped.progress()[0], { state: 'waiting', entered: 0 })
  t.same(wiped.state, { kind: 'cancelled' })
  t.end()
})

t.test('keys before the beginning are not taken', (t) => {
  const entry = new FieldEntry(FORM)
  entry.step({ kind: 'key', key: 4, doubled: false, nowMs: 1, dateMs: DATE_MS })
  t.match(entry.progress()[0], { entered: 0, state: 'waiting' })
  t.end()
})

t.test('a form without a card number takes a code of three or four digits', (t) => {
  const { entry, type } = entered('123', { fields: ['card-code'] })
  t.equal(entry.state.kind, 'entering')
  type('#')
  t.equal(entry.state.kind, 'complete')
  t.equal(entered('1234', { fields: ['card-code'] }).entry.state.kind, 'complete')
  t.end()
})
