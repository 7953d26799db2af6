import t from 'tap'
import { scoreKeys } from '../../../src/demo/judge/score-keys.ts'

t.test('keys count when they were read in order, whatever else was read', (t) => {
  t.equal(scoreKeys('4111#', '4111#'), 5)
  t.equal(scoreKeys('4111#', ''), 0)
  t.equal(scoreKeys('1234', '91924'), 3)
  t.equal(scoreKeys('1234', '4321'), 1)
  t.equal(scoreKeys('', '123'), 0)
  t.end()
})
