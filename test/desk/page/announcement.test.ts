import t from 'tap'
import { announcementOf } from '../../../src/desk/page/announcement.ts'
import { callOf, fieldOf, paymentOf } from '../fake-sbc.ts'

const withFields = (...fields: ReturnType<typeof fieldOf>[]) => callOf('a', { payment: paymentOf({ fields }) })
const number = (entered: number) => fieldOf('card-number', { state: 'entering', entered })

t.test('a new call and each new instruction are announced', (t) => {
  const call = callOf('a')
  t.match(announcementOf(null, call), { text: /^Call with \+493012345678\. Ready/ })
  t.match(announcementOf(call, callOf('a', { payment: paymentOf({ state: 'opening' }) })), {
    urgent: true,
    text: /^Do not ask for the card yet\./,
  })
  t.match(announcementOf(call, null), { text: 'No call.' })
  t.equal(announcementOf(null, null), null)
  t.end()
})

t.test('single keys are not announced', (t) => {
  for (let entered = 1; entered < 16; entered += 1) {
    t.equal(announcementOf(withFields(number(entered)), withFields(number(entered + 1))), null)
  }
  t.end()
})

t.test('an accepted field is announced once, with its last four', (t) => {
  const accepted = fieldOf('card-number', { state: 'accepted', entered: 16, brand: 'visa', lastFour: '1111' })
  const words = announcementOf(withFields(number(16), fieldOf('expiry')), withFields(accepted, fieldOf('expiry')))
  t.match(words, { urgent: false, text: /^Card number: accepted, Visa, ending in 1 1 1 1\. Ask for the expiry date\./ })
  const next = withFields(accepted, fieldOf('expiry', { state: 'entering', entered: 1 }))
  t.equal(announcementOf(withFields(accepted, fieldOf('expiry')), next), null)
  t.end()
})

t.test('a refused field interrupts with what to say', (t) => {
  const refused = fieldOf('card-number', { state: 'refused', entered: 16, problem: 'check_digit', triesLeft: 2 })
  t.match(announcementOf(withFields(number(16)), withFields(refused)), { urgent: true, text: /Say: One of the digits/ })
  t.end()
})

t.test('a line that went silent is announced once, its return needs no word', (t) => {
  const heard = callOf('a', { payment: paymentOf() })
  const silent = callOf('a', { payment: paymentOf({ payerSilent: true }) })
  t.match(announcementOf(heard, silent), { text: /^No sound comes from the customer/ })
  t.equal(announcementOf(silent, silent), null)
  t.equal(announcementOf(silent, heard), null)
  t.match(announcementOf(null, silent)?.text, /No sound comes/)
  t.end()
})
