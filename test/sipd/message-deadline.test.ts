import t from 'tap'
import { MessageDeadline } from '../../src/sipd/message-deadline.ts'
import { FakeClock } from './fake-clock.ts'

function started(firstMs: number | undefined) {
  const clock = new FakeClock()
  const expired: string[] = []
  const deadline = new MessageDeadline({ clock, firstMs, messageMs: 100, expired: (limit) => expired.push(limit) })
  return { clock, expired, deadline }
}

t.test('bytes that do not end the message do not move its deadline', (t) => {
  const { clock, expired, deadline } = started(1_000)
  for (let chunk = 0; chunk < 10; chunk += 1) {
    deadline.heard({ completed: false, partial: true })
    clock.advance(9)
  }
  t.same(expired, [])
  clock.advance(10)
  t.same(expired, ['slow_sender'])
  t.end()
})

t.test('each message has its own deadline, and none runs between two', (t) => {
  const { clock, expired, deadline } = started(1_000)
  for (let message = 0; message < 20; message += 1) {
    deadline.heard({ completed: message > 0, partial: true })
    clock.advance(90)
  }
  deadline.heard({ completed: true, partial: false })
  clock.advance(100_000)
  t.same(expired, [])
  deadline.heard({ completed: false, partial: true })
  deadline.stop()
  t.equal(clock.running, 0)
  t.end()
})

t.test('a peer that connected and says nothing is ended, one that we connected to is not', (t) => {
  const accepted = started(1_000)
  accepted.deadline.heard({ completed: false, partial: false })
  accepted.clock.advance(1_000)
  t.same(accepted.expired, ['silent_connection'])
  const opened = started(undefined)
  opened.clock.advance(100_000)
  t.same(opened.expired, [])
  t.end()
})
