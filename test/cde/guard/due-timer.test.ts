import t from 'tap'
import { DueTimers } from '../../../src/cde/guard/due-timer.ts'

const clockMs = () => performance.now()

t.test('it ticks when something is due, again while more is, and rests when nothing is', async (t) => {
  const dues = [clockMs() + 5, clockMs() + 15]
  const ticks: number[] = []
  await new Promise<void>((resolve) => {
    const timer = new DueTimers(clockMs).add({
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
    const timer = new DueTimers(clockMs).add({
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
  const timer = new DueTimers(clockMs).add({ tick: () => t.fail('ticked'), dueMs: () => clockMs() })
  timer.poke(clockMs())
  timer.close()
  timer.close()
  timer.poke(clockMs())
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.pass('nothing happened')
})

t.test('one timer serves many, and one that closes in its own tick takes nobody’s turn', async (t) => {
  const timers = new DueTimers(clockMs)
  const ticked: number[] = []
  const dues = [1, 1, 1].map((ms) => clockMs() + ms)
  await new Promise<void>((resolve) => {
    const added = dues.map((_, index) =>
      timers.add({
        tick: () => {
          ticked.push(index)
          dues[index] = Infinity
          if (index < 2) added[0]?.close()
          if (ticked.length === 3) resolve()
        },
        dueMs: () => dues[index] ?? Infinity,
      }),
    )
    for (const timer of added) timer.poke(clockMs())
  })
  t.same(ticked, [0, 1, 2])
})
