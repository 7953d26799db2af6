import t from 'tap'
import { seededRandom } from '../../../src/demo/audio/seeded-random.ts'

t.test('a seed gives the same numbers again, spread evenly', (t) => {
  const [first, second, other] = [seededRandom(1), seededRandom(1), seededRandom(2)]
  const numbers = Array.from({ length: 10_000 }, () => first())
  t.same(
    Array.from({ length: 10_000 }, () => second()),
    numbers,
  )
  t.not(other(), numbers[0])
  t.ok(numbers.every((number) => number >= 0 && number < 1))
  const tenth = numbers.filter((number) => number < 0.1).length
  t.ok(tenth > 850 && tenth < 1_150)
  t.end()
})
