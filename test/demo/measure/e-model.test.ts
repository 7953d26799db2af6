import t from 'tap'
import { transmissionRating } from '../../../src/demo/measure/e-model.ts'

t.test('the rating falls with delay and loss, as G.107 has it', (t) => {
  t.equal(transmissionRating({ delayMs: 0, lossRatio: 0 }), 93.2)
  // By hand from the fit: 0.024 * 150 = 3.6, and 0.024 * 250 + 0.11 * 72.7 = 14.0.
  t.ok(Math.abs(transmissionRating({ delayMs: 150, lossRatio: 0 }) - 89.6) < 0.5)
  t.ok(Math.abs(transmissionRating({ delayMs: 250, lossRatio: 0 }) - 79.2) < 1)
  // One percent of random loss without concealment costs 95 / 5.3.
  t.ok(Math.abs(transmissionRating({ delayMs: 0, lossRatio: 0.01 }) - (93.2 - 95 / 5.3)) < 1e-9)
  t.equal(transmissionRating({ delayMs: 900, lossRatio: 1 }), 0)
  t.end()
})
