import t from 'tap'
import { panOf } from '../../../bench/vault/numbered-card.ts'
import { refusalOf } from '../../../src/cde/vault/card-check.ts'

t.test('each index gives a card of its own that the vault takes', (t) => {
  const pans = new Set<string>()
  for (const index of [0, 1, 9, 10, 123_456_789, 999_999_999]) {
    const pan = panOf(index)
    t.equal(pan.length, 16)
    t.equal(refusalOf({ pan, expiry: new Uint8Array(0), cardCode: new Uint8Array(0) }, 0), null)
    pans.add(pan.join(''))
  }
  t.equal(pans.size, 6)
  t.same(panOf(111_111_111).join(''), '4111111111111111')
  t.end()
})
