import t from 'tap'
import { parseBenchOptions } from '../../bench/harness/bench-options.ts'

const KNOWN = ['leak', 'switch']

t.test('names, numbers and a part of a name are read in any order', (t) => {
  t.same(parseBenchOptions(['--keys', '500', 'leak', '--only', 'talk-over', '--offline', '--minutes', '3'], KNOWN), {
    kind: 'options',
    options: { names: ['leak'], rounds: null, keys: 500, minutes: 3, only: 'talk-over', offline: true, live: false },
  })
  t.same(parseBenchOptions([], KNOWN), {
    kind: 'options',
    options: { names: [], rounds: null, keys: null, minutes: null, only: null, offline: false, live: false },
  })
  t.end()
})

t.test('what is no bench, no number or no name is refused with what would do', (t) => {
  for (const [words, why] of [
    [['leek'], /there are: leak, switch/],
    [['--rounds', 'many'], /--rounds takes a whole number from 1 to 200/],
    [['--keys', '0'], /--keys/],
    [['--minutes'], /--minutes/],
    [['--only'], /--only takes a part of a name/],
  ] as const) {
    const parsed = parseBenchOptions(words, KNOWN)
    t.equal(parsed.kind, 'refused')
    if (parsed.kind === 'refused') t.match(parsed.why, why)
  }
  t.end()
})
