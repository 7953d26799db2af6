import t from 'tap'
import { byRules } from '../../src/sbc/telephone-number.ts'

const RULES = [
  { prefix: '00', strip: 2, prepend: '+' },
  { prefix: '0', strip: 1, prepend: '+49' },
  { prefix: 'agent-', strip: 6, prepend: '' },
  { prefix: '', strip: 0, prepend: '+4989' },
]

t.test('the first rule whose prefix fits is applied, once', (t) => {
  const cases = [
    ['004315', '+4315'],
    ['089123', '+4989123'],
    ['4711', '+49894711'],
    ['+1555', '+4989+1555'],
    ['agent-7', '7'],
    ['', ''],
    ['anonymous', 'anonymous'],
    ['bob.smith', 'bob.smith'],
  ] as const
  for (const [number, expected] of cases) t.equal(byRules(number, RULES), expected, number)
  t.equal(byRules('4711', []), '4711')
  t.equal(byRules('12', [{ prefix: '1', strip: 9, prepend: '' }]), '', 'more is taken off than there is')
  t.end()
})
