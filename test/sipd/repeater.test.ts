import t from 'tap'
import { Repeater } from '../../src/sipd/repeater.ts'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import { FakeClock } from './fake-clock.ts'

function run(capped: boolean) {
  const clock = new FakeClock()
  const sent: number[] = []
  const state = { gaveUp: false }
  const repeater = new Repeater({
    clock,
    times: RFC_3261_TIMES,
    capped,
    send: () => sent.push(clock.now),
    giveUp: () => (state.gaveUp = true),
  })
  return { clock, sent, state, repeater }
}

t.test(
  'a 2xx is repeated at intervals up to T2, a reliable provisional at intervals that double, both for 32 s',
  (t) => {
    const answer = run(true)
    answer.clock.advance(60_000)
    t.same(answer.sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
    const provisional = run(false)
    provisional.clock.advance(60_000)
    t.same(provisional.sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500])
    t.ok(answer.state.gaveUp && provisional.state.gaveUp)
    t.end()
  },
)

t.test('stop() ends it at once, and twice is no harm', (t) => {
  const { clock, sent, state, repeater } = run(true)
  clock.advance(600)
  repeater.stop()
  repeater.stop()
  clock.advance(60_000)
  t.same(sent, [500])
  t.notOk(state.gaveUp)
  t.equal(clock.running, 0)
  t.end()
})
