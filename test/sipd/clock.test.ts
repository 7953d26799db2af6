import t from 'tap'
import { SYSTEM_CLOCK, TimerSet } from '../../src/sipd/clock.ts'
import { FakeClock } from './fake-clock.ts'

t.test('a named timer is replaced by the next of its name, and cleared with the others', (t) => {
  const clock = new FakeClock()
  const timers = new TimerSet<'A' | 'B'>(clock)
  const fired: string[] = []
  timers.set('A', 10, () => fired.push('first'))
  timers.set('A', 20, () => fired.push('second'))
  timers.set('B', 15, () => fired.push('B'))
  timers.clear('B')
  clock.advance(100)
  t.same(fired, ['second'])
  timers.set('A', 10, () => fired.push('never'))
  timers.clearAll()
  timers.clearAll()
  clock.advance(100)
  t.same(fired, ['second'])
  t.end()
})

t.test('the system clock fires, unless cancelled', async (t) => {
  await new Promise<void>((resolve, reject) => {
    const cancelled = SYSTEM_CLOCK.after(1, () => reject(new Error('was cancelled')))
    cancelled.cancel()
    cancelled.cancel()
    SYSTEM_CLOCK.after(5, resolve)
    // The clock does not keep the process alive by itself.
    setTimeout(() => undefined, 50)
  })
  t.pass()
})
