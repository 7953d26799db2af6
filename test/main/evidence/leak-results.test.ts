import t from 'tap'
import { leakResults } from '../../../src/main/evidence/leak-results.ts'
import { CHECKOUT } from '../../fakes/tracked-files.ts'

t.test('the bench’s misses are shown, the worst first, and as many as its own goal says', (t) => {
  const results = leakResults(CHECKOUT)
  if (results === null) throw new Error('the bench has results')
  const goal = results.goals.find(({ name }) => name.startsWith('attacker at chance,'))
  const missed = Number(/missed in (\d+) of/.exec(goal?.measured ?? '')?.[1] ?? 0)
  t.equal(results.missed.length, missed)
  const distances = results.missed.map(({ upper, chance }) => upper - chance)
  t.same(
    distances,
    distances.toSorted((one, other) => other - one),
  )
  t.ok(distances.every((distance) => distance > 0.01))
  t.ok(results.scenarios > 100)
  t.end()
})

t.test('a delivery without the bench has none', (t) => {
  t.equal(leakResults(t.testdir({})), null)
  t.end()
})
