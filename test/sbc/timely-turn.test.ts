import t from 'tap'
import { timelyTurn } from '../../src/sbc/timely-turn.ts'

/** One after the other, as a call's media is used. */
function oneAtATime() {
  let tail: Promise<unknown> = Promise.resolve()
  return <Value>(action: () => Promise<Value>): Promise<Value> => {
    const turn = tail.then(action)
    tail = turn
    return turn
  }
}
const FAR_MS = 60_000

t.test('a turn that comes in time is taken, and its value is the action’s', async (t) => {
  const exclusive = oneAtATime()
  const asked = { exclusive, untilMs: performance.now() + FAR_MS, isOver: () => false, late: 'late' }
  t.equal(await timelyTurn({ ...asked, action: () => Promise.resolve('done') }), 'done')
  await t.rejects(
    timelyTurn({ ...asked, exclusive: oneAtATime(), action: () => Promise.reject(new Error('no')) }),
    /no/,
  )
})

t.test('a turn that comes too late is not taken, then or ever', async (t) => {
  const exclusive = oneAtATime()
  let free: () => void = () => undefined
  const busy = exclusive(() => new Promise<void>((resolve) => (free = resolve)))
  let ran = 0
  const action = () => Promise.resolve(String((ran += 1)))
  const untilMs = performance.now() + 10
  t.equal(await timelyTurn({ exclusive, untilMs, isOver: () => false, action, late: 'late' }), 'late')
  free()
  await busy
  await exclusive(() => Promise.resolve())
  t.equal(ran, 0)
})

t.test('what is no longer wanted at its turn does not run', async (t) => {
  const action = () => Promise.reject(new Error('it ran'))
  const untilMs = performance.now() + FAR_MS
  t.equal(await timelyTurn({ exclusive: oneAtATime(), untilMs, isOver: () => true, action, late: 'late' }), 'late')
})

t.test('what has begun is waited for past the time', async (t) => {
  const untilMs = performance.now() + 30
  const action = async () => {
    while (performance.now() < untilMs + 20) await new Promise((resolve) => setTimeout(resolve, 5))
    return 'done'
  }
  t.equal(await timelyTurn({ exclusive: oneAtATime(), untilMs, isOver: () => false, action, late: 'late' }), 'done')
})

t.end()
