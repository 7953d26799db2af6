import t from 'tap'
import { abbaOrder, figureOf, runArms } from '../../bench/harness/arms.ts'

t.test('rounds go forwards and backwards in turn', (t) => {
  t.same(abbaOrder(3, 3), [
    [0, 1, 2],
    [2, 1, 0],
    [0, 1, 2],
  ])
  t.end()
})

t.test('the warm-up is run and dropped', async (t) => {
  let runs = 0
  const arm = { name: 'one', measure: () => Promise.resolve({ figures: { run: (runs += 1) } }) }
  const { rounds } = await runArms([arm], { rounds: 2, warmUp: 1, say: () => undefined })
  t.equal(runs, 3)
  t.same(figureOf(rounds, 'one', 'run'), [2, 3])
})

t.test('a round in which one arm fails is dropped for all arms, and counted', async (t) => {
  let failures = 0
  const good = { name: 'good', measure: () => Promise.resolve({ figures: { value: 1 } }) }
  const bad = {
    name: 'bad',
    measure: () => (failures++ === 1 ? Promise.reject(new Error('no')) : Promise.resolve({ figures: { value: 2 } })),
  }
  const { rounds, dropped } = await runArms([good, bad], { rounds: 3, warmUp: 0, say: () => undefined })
  t.equal(dropped, 1)
  t.same(figureOf(rounds, 'good', 'value'), [1, 1])
  t.same(figureOf(rounds, 'bad', 'value'), [2, 2])
})
