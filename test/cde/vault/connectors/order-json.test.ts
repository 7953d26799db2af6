import t from 'tap'
import { composeOrder } from '../../../../src/cde/vault/connectors/order-json.ts'
import { digits, TEST_PANS } from '../../../fakes/test-card.ts'

const ORDER = { merchant: 'shop', reference: 'charge-1', amountMinor: 1250, currency: 'EUR' }
const PAN = digits(TEST_PANS.visa)

t.test('an order reads as the JSON that the acquirer expects', (t) => {
  const body = composeOrder({ ...ORDER, pan: PAN, expiry: digits('0930'), cardCode: digits('007') })
  t.same(JSON.parse(body.toString()), {
    ...ORDER,
    card: { number: TEST_PANS.visa, expiryMonth: '09', expiryYear: '30', code: '007' },
  })
  t.end()
})

t.test('what the form did not ask for is left out', (t) => {
  const body = composeOrder({ ...ORDER, pan: PAN, expiry: digits(''), cardCode: digits('') })
  t.same(JSON.parse(body.toString()), { ...ORDER, card: { number: TEST_PANS.visa } })
  t.end()
})

t.test('quotes in a text cannot end it', (t) => {
  const odd = { ...ORDER, reference: 'a","card":{"number":"x', currency: 'ü€"' }
  const body = composeOrder({ ...odd, pan: PAN, expiry: digits('0930'), cardCode: digits('') })
  t.match(JSON.parse(body.toString()), { ...odd, card: { number: TEST_PANS.visa } })
  t.end()
})
