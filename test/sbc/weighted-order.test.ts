import t from 'tap'
import { weightedOrder } from '../../src/sbc/weighted-order.ts'
import { seededRandom } from '../fakes/seeded-random.ts'

t.test('the lowest priority comes first, and weights share it', (t) => {
  const random = seededRandom(7)
  const items = [
    { name: 'backup', priority: 20, weight: 100 },
    { name: 'small', priority: 10, weight: 25 },
    { name: 'big', priority: 10, weight: 75 },
    { name: 'never first', priority: 10, weight: 0 },
  ]
  const first = new Map<string, number>()
  for (let round = 0; round < 4_000; round += 1) {
    const names = weightedOrder(items, random.next).map(({ name }) => name)
    if (names[3] !== 'backup' || names[2] !== 'never first') t.fail(names.join())
    first.set(names[0] ?? '', (first.get(names[0] ?? '') ?? 0) + 1)
  }
  const share = (first.get('big') ?? 0) / 4_000
  t.ok(share > 0.72 && share < 0.78, `three of four: ${share}`)
  t.end()
})

t.test('nothing, one, and weights of nothing but zero are ordered too', (t) => {
  t.same(
    weightedOrder([], () => 0),
    [],
  )
  const zeros = [
    { priority: 1, weight: 0 },
    { priority: 1, weight: 0 },
  ]
  t.equal(weightedOrder(zeros, () => 0.99).length, 2)
  t.end()
})
