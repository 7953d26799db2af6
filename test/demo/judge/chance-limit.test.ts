import t from 'tap'
import { chanceLimit } from '../../../src/demo/judge/chance-limit.ts'

t.test(
  'a coin that is thrown twenty times comes up more often than the limit less than once in a million runs',
  (t) => {
    // 2^-20 is the chance of twenty heads, and 21 * 2^-20 that of nineteen or more.
    t.equal(chanceLimit({ tries: 20, chance: 0.5 }), 19)
    t.end()
  },
)

t.test('the limit grows with the tries, and is never more than they are', (t) => {
  const limits = [1, 2, 24, 100, 300].map((tries) => chanceLimit({ tries, chance: 1 / 12 }))
  t.same(
    limits.toSorted((one, other) => one - other),
    limits,
  )
  t.equal(chanceLimit({ tries: 3, chance: 1 / 12 }), 3)
  t.equal(chanceLimit({ tries: 0, chance: 1 / 12 }), 0)
  t.ok(chanceLimit({ tries: 300, chance: 1 / 12 }) < 60)
  t.end()
})
