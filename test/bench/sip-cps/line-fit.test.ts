import t from 'tap'
import { fitLine } from '../../../bench/sip-cps/line-fit.ts'

t.test('points on a line give the line, with no doubt', (t) => {
  const fit = fitLine([0, 1, 2, 3].map((x) => ({ x, y: 5 + 2 * x })))
  t.ok(Math.abs(fit.slope - 2) < 1e-9)
  t.ok(Math.abs(fit.intercept - 5) < 1e-9)
  t.ok(fit.high95 - fit.low95 < 1e-6)
  t.end()
})

t.test('the interval of a slope is that of Student’s t', (t) => {
  // By hand: slope 0.6, residual sum 2.4 over 3 degrees of freedom, sum of squares of x 10, so 0.6 +- 3.18 * 0.2828.
  const fit = fitLine([2, 4, 5, 4, 5].map((y, index) => ({ x: index + 1, y })))
  t.ok(Math.abs(fit.slope - 0.6) < 1e-9)
  t.ok(Math.abs(fit.low95 - (0.6 - 3.18 * 0.28284)) < 1e-3)
  t.ok(Math.abs(fit.high95 - (0.6 + 3.18 * 0.28284)) < 1e-3)
  t.end()
})

t.test('no line is laid through two points, or through one x', (t) => {
  t.throws(() =>
    fitLine([
      { x: 0, y: 0 },
      { x: 1, y: 1 },
    ]),
  )
  t.throws(() => fitLine([1, 2, 3].map((y) => ({ x: 1, y }))))
  t.end()
})
