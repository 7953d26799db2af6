import t from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { Drain } from '../../src/sbc/drain.ts'
import { eventually } from '../fakes/eventually.ts'

const logger = createLogger({ role: 'test', level: 'silent' })

function drainOf(): {
  readonly drain: Drain
  readonly live: { calls: number; ringing: number }
  readonly over: () => number
} {
  const live = { calls: 1, ringing: 1 }
  let over = 0
  const drain = new Drain({ count: () => live, drained: () => (over += 1), logger })
  return { drain, live, over: () => over }
}

t.test('it is over when the last call and the last set-up have ended, once', async (t) => {
  const { drain, live, over } = drainOf()
  drain.check()
  t.equal(drain.isOn, false, 'nothing happens before it is ordered')
  drain.begin(null)
  t.match(drain.look(), { draining: true, calls: 1, ringing: 1, secondsLeft: null })
  live.calls = 0
  drain.check()
  live.ringing = 0
  drain.check()
  drain.check()
  t.equal(over(), 0, 'the BYEs are still to be acknowledged')
  await eventually(() => over() > 0)
  t.equal(over(), 1)
  drain.close()
})

t.test('an emergency call that comes in the last moment is waited for', async (t) => {
  const { drain, live, over } = drainOf()
  Object.assign(live, { calls: 0, ringing: 0 })
  drain.begin(null)
  live.calls = 1
  await new Promise((resolve) => setTimeout(resolve, 700))
  t.equal(over(), 0)
  live.calls = 0
  drain.check()
  await eventually(() => over() === 1)
  drain.close()
})

t.test('when the time is up it is over whatever lives, unless it was undone', async (t) => {
  const undone = drainOf()
  undone.drain.begin(1)
  t.equal(undone.drain.look().secondsLeft, 1)
  undone.drain.undo()
  undone.drain.undo()
  t.match(undone.drain.look(), { draining: false, secondsLeft: null })
  const late = drainOf()
  late.drain.begin(1)
  await eventually(() => late.over() === 1)
  t.equal(late.live.calls, 1)
  t.equal(undone.over(), 0)
  for (const { drain } of [undone, late]) {
    drain.close()
    drain.close()
  }
})
