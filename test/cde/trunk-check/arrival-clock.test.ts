import t from 'tap'
import { ArrivalClock } from '../../../src/cde/trunk-check/arrival-clock.ts'

t.test('an even sender has no jitter, whatever its timestamps begin with', (t) => {
  const clock = new ArrivalClock()
  for (let packet = 0; packet < 50; packet += 1) clock.take((4_294_967_000 + packet * 160) >>> 0, 300 + packet * 20)
  t.equal(clock.jitterMs, 0)
  t.equal(clock.lateMs(0.95), 0)
  t.end()
})

t.test('packets that come 10 ms late by turns show it', (t) => {
  const clock = new ArrivalClock()
  for (let packet = 0; packet < 200; packet += 1) clock.take(packet * 160, packet * 20 + (packet % 2) * 10)
  t.ok(Math.abs(clock.jitterMs - 10) < 0.1)
  t.equal(clock.lateMs(0.95), 10)
  t.end()
})

t.test('timestamps that jump are no jitter, and nothing heard is no lateness', (t) => {
  const clock = new ArrivalClock()
  t.equal(clock.lateMs(0.95), 0)
  for (let packet = 0; packet < 50; packet += 1) clock.take(packet * 160 + (packet > 25 ? 9_000_000 : 0), packet * 20)
  t.equal(clock.jitterMs, 0)
  t.end()
})
