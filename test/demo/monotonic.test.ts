import t from 'tap'
import { nowUs } from '../../src/demo/monotonic.ts'

t.test('the clock only goes forward, in microseconds', (t) => {
  const first = nowUs()
  const started = performance.now()
  while (performance.now() - started < 5);
  const passed = nowUs() - first
  t.ok(passed >= 5_000 && passed < 1_000_000)
  t.end()
})
