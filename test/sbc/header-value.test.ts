import t from 'tap'
import { isSafeValue, splitValues } from '../../src/sbc/header-value.ts'

t.test('a value that could begin another line, or that is too long or not ASCII, is not safe', (t) => {
  for (const value of ['a', '"Anna" <sip:anna@pbx>;x=y', ' 1 ']) t.ok(isSafeValue(value), value)
  for (const value of ['', '  ', 'a\r\nVia: b', 'a\nb', 'a\u0000', 'Zoë', 'a'.repeat(513)])
    t.notOk(isSafeValue(value), JSON.stringify(value).slice(0, 20))
  t.end()
})

t.test('a list is split at its commas and at no others', (t) => {
  t.same(splitValues('<sip:1@a>;x=1, "a, b" <sip:2,3@b?Reason=x,y>,sip:4@c'), [
    '<sip:1@a>;x=1',
    '"a, b" <sip:2,3@b?Reason=x,y>',
    'sip:4@c',
  ])
  t.same(splitValues(''), [])
  t.same(splitValues(', ,'), [])
  t.same(splitValues('<sip:never closed'), ['sip:never closed'])
  t.end()
})
