import t from 'tap'
import { secretBytes } from '../../src/cde/secret-bytes.ts'

t.test('secret bytes begin as zeros and share their memory with nobody', (t) => {
  const bytes = secretBytes(19)
  t.same(
    [...bytes],
    Array.from({ length: 19 }, () => 0),
  )
  t.equal(bytes.buffer.byteLength, 19, 'no pool behind it')
  t.equal(secretBytes(0).length, 0)
  t.end()
})
