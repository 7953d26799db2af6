import t from 'tap'
import { fieldKeys } from '../../src/demo/field-keys.ts'

t.test('a number with its #, December of the year after next, and a code', (t) => {
  for (const [today, year] of [
    ['2026-08-01', '28'],
    ['2026-12-31T23:59:59Z', '28'],
    ['2098-01-01', '00'],
    ['2105-06-01', '07'],
  ] as const) {
    const [number, expiry, code] = fieldKeys(new Date(today))
    t.match(number, /^\d{16}#$/)
    t.equal(expiry, `12${year}`)
    t.match(code, /^\d{3}$/)
  }
  t.equal(fieldKeys(new Date()).length, 3)
  t.end()
})
