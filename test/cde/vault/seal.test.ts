import { randomBytes } from 'node:crypto'
import t from 'tap'
import { lengthPrefixed, seal, SEAL_KEY_BYTES, sealContext, unseal } from '../../../src/cde/vault/seal.ts'

const KEY = randomBytes(SEAL_KEY_BYTES)
const CONTEXT = sealContext({ purpose: 'card', keyId: 'k', merchant: 'shop', row: 'r' })

t.test('what is sealed opens with the same key and context', (t) => {
  t.same(unseal(seal(Buffer.from('digits'), KEY, CONTEXT), KEY, CONTEXT), Buffer.from('digits'))
  t.end()
})

t.test('the same bytes never give the same seal', (t) => {
  t.notSame(seal(Buffer.from('digits'), KEY, CONTEXT), seal(Buffer.from('digits'), KEY, CONTEXT))
  t.end()
})

t.test('another key, another context, or any changed bit opens nothing', (t) => {
  const sealed = seal(Buffer.from('digits'), KEY, CONTEXT)
  t.equal(unseal(sealed, randomBytes(SEAL_KEY_BYTES), CONTEXT), null)
  for (const other of [
    { purpose: 'card-code', keyId: 'k', merchant: 'shop', row: 'r' },
    { purpose: 'card', keyId: 'l', merchant: 'shop', row: 'r' },
    { purpose: 'card', keyId: 'k', merchant: 'shopr', row: '' },
    { purpose: 'card', keyId: 'k', merchant: 'shop', row: 's' },
  ] as const) {
    t.equal(unseal(sealed, KEY, sealContext(other)), null)
  }
  for (let bit = 0; bit < sealed.length * 8; bit += 1) {
    const changed = Buffer.from(sealed)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (unseal(changed, KEY, CONTEXT) !== null) t.fail('a changed bit was not noticed')
  }
  for (let length = 0; length < sealed.length; length += 1)
    t.equal(unseal(sealed.subarray(0, length), KEY, CONTEXT), null)
  t.end()
})

t.test('no two lists of texts have the same bytes', (t) => {
  t.notSame(lengthPrefixed(['ab', 'c']), lengthPrefixed(['a', 'bc']))
  t.notSame(lengthPrefixed(['a', '']), lengthPrefixed(['a']))
  t.end()
})
