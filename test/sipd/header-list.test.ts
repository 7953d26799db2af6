import t from 'tap'
import { closingQuote, parseParameters, splitList } from '../../src/sipd/header-list.ts'

t.test('commas split a list, but not inside quotes or brackets', (t) => {
  t.same(splitList('a, "b,\\",c" <x,y>;z=1 ,, d'), ['a', '"b,\\",c" <x,y>;z=1', 'd'])
  t.same(splitList(''), [])
  t.same(splitList('"never closed, a'), ['"never closed, a'])
  t.end()
})

t.test('parameters are found by lower-case name, the first one wins', (t) => {
  const parameters = parseParameters(';Tag=1;lr; x = "a;b" ;tag=2;;=3')
  t.same(
    [...parameters],
    [
      ['tag', '1'],
      ['lr', ''],
      ['x', '"a;b"'],
    ],
  )
  t.equal(closingQuote('"a\\"b"', 0), 5)
  t.equal(closingQuote('"a', 0), -1)
  t.end()
})
