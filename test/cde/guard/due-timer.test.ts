import t from 'tap'
import { DueTimer } from '../../../src/cde/guard/due-timer.ts'

const clockMs = () => performance.now()

t.test('it ticks when something is due, again while more is, and rests when nothing is', async (t) => {
  const dues = [clockMs() + 5, clockMs() + 15]
  const ticks: number[] = []
  await new Promise<void>((resolve) => {
    const timer = new DueTimer({
      clockMs,
      tick: (nowMs) => {
        ticks.push(nowMs)
        while ((dues[0] ?? Infinity) <= nowMs) dues.shift()
        if (dues.length === 0) resolve()
      },
      dueMs: () => dues[0] ?? Infinity,
    })
    timer.poke(clockMs())
  })
  t.ok(ticks.length >= 1)
})

t.test('an earlier due time moves it forward', async (t) => {
  let dueMs = clockMs() + 60_000
  const startedMs = clockMs()
  await new Promise<void>((resolve) => {
    const timer = new DueTimer({
      clockMs,
      tick: () => {
        dueMs = Infinity
        resolve()
      },
      dueMs: () => dueMs,
    })
    timer.poke(clockMs())
    dueMs = clockMs() + 1
    timer.poke(clockMs())
  })
  t.ok(clockMs() - startedMs < 30_000)
})

t.test('closed, it ticks no more', async (t) => {
  const timer = new DueTimer({ clockMs, tick: () => t.fail('ticked'), dueMs: () => clockMs() })
  timer.poke(clockMs())
  timer.close()
  timer.close()
  timer.poke(clockMs())
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.pass('nothing happened')
})
