import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openCard, sealCard } from '../../../src/cde/vault/sealed-card.ts'
import { TEST_PANS, testCard } from '../../fakes/test-card.ts'

const KEY = randomBytes(32)
const PLACE = { keyId: 'key_a', merchant: 'shop', token: 'tok_a' }

t.test('number and expiry come back, and are gone after wipe', (t) => {
  const card = testCard()
  const open = openCard(sealCard(card, KEY, PLACE), KEY, PLACE)
  t.same([...(open?.pan ?? [])], [...card.pan])
  t.same([...(open?.expiry ?? [])], [...card.expiry])
  open?.wipe()
  t.ok(open?.pan.every((digit) => digit === 0))
  t.end()
})

t.test('a seal opens in no other row, under no other merchant, with no other key', (t) => {
  const sealed = sealCard(testCard(), KEY, PLACE)
  t.equal(openCard(sealed, KEY, { ...PLACE, token: 'tok_b' }), null)
  t.equal(openCard(sealed, KEY, { ...PLACE, merchant: 'other' }), null)
  t.equal(openCard(sealed, KEY, { ...PLACE, keyId: 'key_b' }), null)
  t.equal(openCard(sealed, randomBytes(32), PLACE), null)
  t.end()
})

t.test('the seal of a long number is as long as that of a short one', (t) => {
  const lengths = Object.values(TEST_PANS).map((pan) => sealCard(testCard({ pan }), KEY, PLACE).length)
  t.equal(new Set(lengths).size, 1)
  t.equal(sealCard(testCard({ expiry: '' }), KEY, PLACE).length, lengths[0])
  t.end()
})
