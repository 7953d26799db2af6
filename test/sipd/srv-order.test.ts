import t from 'tap'
import { orderServers } from '../../src/sipd/srv-order.ts'

const server = (target: string, priority: number, weight: number) => ({ target, priority, weight, port: 5060 })

t.test('a lower priority comes first, whatever the weights', (t) => {
  const records = [server('c', 20, 100), server('a', 5, 0), server('b', 10, 1)]
  const order = orderServers(records, () => 0.99).map(({ target }) => target)
  t.same(order, ['a', 'b', 'c'])
  t.same(orderServers([], Math.random), [])
  t.end()
})

t.test('within a priority the chance of a server is its weight, and each is tried once', (t) => {
  const records = [server('one', 1, 10), server('three', 1, 30), server('none', 1, 0)]
  t.same(
    orderServers(records, () => 0).map(({ target }) => target),
    ['none', 'one', 'three'],
    'weight 0 has a small chance',
  )
  t.same(
    orderServers(records, () => 0.999).map(({ target }) => target),
    ['three', 'one', 'none'],
  )
  const first = new Map<string, number>()
  for (let draw = 0; draw < 41; draw += 1) {
    const [chosen] = orderServers(records, () => (draw + 0.5) / 41)
    first.set(chosen?.target ?? '', (first.get(chosen?.target ?? '') ?? 0) + 1)
  }
  t.same([first.get('none'), first.get('one'), first.get('three')], [1, 10, 30])
  t.same(
    orderServers([server('x', 1, 0), server('y', 1, 0)], () => 0.5).map(({ target }) => target),
    ['x', 'y'],
  )
  t.end()
})
