import t from 'tap'
import { DELAY_MS_MAX, DELAY_MS_MIN, restartDelay, UP_MS_MIN } from '../../src/main/restart-delay.ts'

t.test('the delay doubles from 100 ms up to 5 s', (t) => {
  const delays: number[] = []
  let lastDelayMs: number | null = null
  for (let death = 0; death < 8; death += 1) {
    lastDelayMs = restartDelay({ lastDelayMs, upMs: 10 })
    delays.push(lastDelayMs)
  }
  t.same(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  t.end()
})

t.test('a process that was up for ten seconds begins again with the shortest delay', (t) => {
  t.equal(restartDelay({ lastDelayMs: DELAY_MS_MAX, upMs: UP_MS_MIN }), DELAY_MS_MIN)
  t.equal(restartDelay({ lastDelayMs: DELAY_MS_MAX, upMs: UP_MS_MIN - 1 }), DELAY_MS_MAX)
  t.end()
})
