import t from 'tap'
import { FAILURES_MAX, LoginLimit } from '../../src/desk/login-limit.ts'

t.test('an address waits after ten failures, for the rest of five minutes, and others do not', (t) => {
  let nowMs = 1_000_000
  const limit = new LoginLimit({ now: () => nowMs })
  for (let count = 0; count < FAILURES_MAX; count += 1) {
    t.equal(limit.waitS('192.0.2.1'), 0)
    limit.refused('192.0.2.1')
    nowMs += 1_000
  }
  t.equal(limit.waitS('192.0.2.1'), 290)
  t.equal(limit.waitS('192.0.2.2'), 0)
  nowMs += 290_000
  t.equal(limit.waitS('192.0.2.1'), 0)
  limit.refused('192.0.2.1')
  t.equal(limit.waitS('192.0.2.1'), 0, 'counting began anew')
  t.end()
})

t.test('many addresses do not fill the memory', (t) => {
  const limit = new LoginLimit({ now: () => 0 })
  for (let count = 0; count < FAILURES_MAX; count += 1) limit.refused('first')
  t.ok(limit.waitS('first') > 0)
  for (let address = 0; address < 10_000; address += 1) limit.refused(`other ${address}`)
  t.equal(limit.waitS('first'), 0, 'the oldest was forgotten')
  t.end()
})
