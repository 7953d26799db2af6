import t from 'tap'
import { upperBound99 } from '../../../src/demo/judge/binomial-bound.ts'

t.test('the bound is that of Clopper and Pearson', (t) => {
  // With no hits the bound is 1 - 0.01^(1/n) in closed form.
  t.ok(Math.abs(upperBound99({ hits: 0, tries: 16 }) - (1 - 0.01 ** (1 / 16))) < 1e-9)
  t.ok(Math.abs(upperBound99({ hits: 0, tries: 4_200 }) - (1 - 0.01 ** (1 / 4_200))) < 1e-9)
  // 350 of 4,200 is chance among twelve keys: the bound is about a point higher.
  const bound = upperBound99({ hits: 350, tries: 4_200 })
  t.ok(bound > 0.0925 && bound < 0.095)
  t.equal(upperBound99({ hits: 5, tries: 5 }), 1)
  t.equal(upperBound99({ hits: 0, tries: 0 }), 1)
  t.end()
})
