import t from 'tap'
import {
  either,
  epochMs,
  integer,
  list,
  literal,
  nullable,
  parser,
  record,
  text,
  truth,
  type Shape,
} from '../../src/wire/shape.ts'

/** What a shape takes and what it refuses. */
const CASES: readonly (readonly [
  name: string,
  shape: Shape<unknown>,
  good: readonly unknown[],
  bad: readonly unknown[],
])[] = [
  ['literal', literal('a', 'b'), ['a', 'b'], ['c', '', 'toString', null, ['a'], 1]],
  ['text', text(/^[a-z]{2}$/), ['ab'], ['abc', 'AB', '', 12, null, ['ab'], new String('ab')]],
  ['integer', integer(1, 5), [1, 5], [0, 6, 1.5, '1', null, Number.NaN, Infinity, 1n]],
  ['epochMs', epochMs, [1_800_000_000_000], [0, 4111111111111111, -1, '1800000000000', 1_800_000_000_000.5]],
  ['truth', truth, [true, false], [0, 1, 'true', null]],
  ['nullable', nullable(integer(1, 5)), [null, 3], [undefined, 6]],
  ['list', list(integer(1, 5), 2), [[], [1], [1, 2]], [[1, 2, 3], [6], { length: 0 }, 'a', null]],
  ['either', either(literal('a'), integer(1, 5)), ['a', 1], ['b', 6, null]],
  [
    'record',
    record({ a: integer(1, 5), b: nullable(truth) }),
    [
      { a: 1, b: null },
      { b: true, a: 5 },
    ],
    [{ a: 1 }, { a: 1, b: null, c: 1 }, { a: 1, toString: null }, { a: 6, b: null }, null, [], 'a', [1, null]],
  ],
]

t.test('each shape takes what it says and nothing else', (t) => {
  for (const [name, shape, good, bad] of CASES) {
    for (const value of good) t.equal(shape(value), true, `${name} takes ${JSON.stringify(value)}`)
    for (const value of bad) t.equal(shape(value), false, `${name} refuses ${typeof value}`)
  }
  t.end()
})

t.test('what is inherited is no field', (t) => {
  t.equal(record({ a: integer(1, 5) })(Object.create({ a: 1 })), false)
  t.equal(record({ toString: nullable(truth) })({}), false)
  t.end()
})

t.test('a parser returns the value itself or nothing', (t) => {
  const parse = parser(record({ a: integer(1, 5) }))
  const value = { a: 1 }
  t.equal(parse(value), value)
  t.equal(parse({ a: 0 }), null)
  t.end()
})
