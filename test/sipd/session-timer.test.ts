import t from 'tap'
import { SessionTimer } from '../../src/sipd/session-timer.ts'
import { FakeClock } from './fake-clock.ts'

function timed() {
  const clock = new FakeClock()
  const events: string[] = []
  const note = (what: string) => () => void events.push(`${what} at ${clock.now / 1_000} s`)
  return { clock, events, timer: new SessionTimer(clock, { refresh: note('refresh'), expired: note('expired') }) }
}

t.test('who refreshes does it at half of the interval; both end it 32 s, or a third, before it is over', (t) => {
  const ours = timed()
  ours.timer.start({ seconds: 1_800, refresher: 'us', agreed: true })
  ours.clock.advance(2_000_000)
  t.same(ours.events, ['refresh at 900 s', 'expired at 1768 s'])
  const theirs = timed()
  theirs.timer.start({ seconds: 90, refresher: 'peer', agreed: true })
  theirs.clock.advance(2_000_000)
  t.same(theirs.events, ['expired at 60 s'])
  t.end()
})

t.test('a refresh begins anew, a failed one is tried again, and after stop() nothing runs', (t) => {
  const { clock, events, timer } = timed()
  timer.retry(1)
  t.equal(clock.running, 0, 'nothing to refresh yet')
  timer.start({ seconds: 600, refresher: 'us', agreed: true })
  clock.advance(300_000)
  timer.retry(10_000)
  clock.advance(10_000)
  timer.start({ seconds: 600, refresher: 'us', agreed: true })
  t.equal(timer.terms?.seconds, 600)
  clock.advance(299_999)
  t.same(events, ['refresh at 300 s', 'refresh at 310 s'])
  timer.stop()
  timer.stop()
  t.equal(timer.terms, undefined)
  t.equal(clock.running, 0)
  t.end()
})
