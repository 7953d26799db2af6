import t from 'tap'
import { backoffMs } from '../../../src/desk/page/backoff.ts'

t.test('attempts come soon at first, then every one to two seconds, never all at one time', (t) => {
  t.equal(
    backoffMs(0, () => 0),
    100,
  )
  t.equal(
    backoffMs(0, () => 1),
    200,
  )
  t.equal(
    backoffMs(3, () => 1),
    1_600,
  )
  for (const attempt of [4, 10, 1_000, Number.MAX_SAFE_INTEGER]) {
    t.equal(
      backoffMs(attempt, () => 1),
      2_000,
    )
    t.equal(
      backoffMs(attempt, () => 0),
      1_000,
    )
  }
  t.end()
})
