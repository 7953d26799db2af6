import t from 'tap'
import { FAILURES_MAX, LoginLimit, WAIT_MS } from '../../src/desk/login-limit.ts'

t.test('an address waits thirty minutes from its tenth failure on, and others do not (PCI DSS 8.3.4)', (t) => {
  t.equal(WAIT_MS, 30 * 60_000)
  let nowMs = 1_000_000
  const limit = new LoginLimit({ now: () => nowMs })
  for (let count = 0; count < FAILURES_MAX; count += 1) {
    t.equal(limit.waitS('192.0.2.1'), 0)
    nowMs += 100_000
    limit.refused('192.0.2.1')
  }
  t.equal(limit.waitS('192.0.2.1'), 1_800)
  t.equal(limit.waitS('192.0.2.2'), 0)
  nowMs += WAIT_MS - 1
  t.equal(limit.waitS('192.0.2.1'), 1)
  nowMs += 1
  t.equal(limit.waitS('192.0.2.1'), 0)
  limit.refused('192.0.2.1')
  t.equal(limit.waitS('192.0.2.1'), 0, 'counting began anew')
  t.end()
})

t.test('failures that are further apart do not add up', (t) => {
  let nowMs = 0
  const limit = new LoginLimit({ now: () => nowMs })
  for (let count = 0; count < 3 * FAILURES_MAX; count += 1) {
    limit.refused('192.0.2.1')
    t.equal(limit.waitS('192.0.2.1'), 0)
    nowMs += WAIT_MS / 5
  }
  t.end()
})

t.test('who has proved itself from an address is known there, for two weeks, and nowhere else', (t) => {
  let nowMs = 0
  const limit = new LoginLimit({ now: () => nowMs })
  t.notOk(limit.knows('192.0.2.1', 'ann'))
  limit.proved('192.0.2.1', 'ann')
  t.ok(limit.knows('192.0.2.1', 'ann'))
  t.notOk(limit.knows('192.0.2.1', 'bob'))
  t.notOk(limit.knows('192.0.2.2', 'ann'))
  nowMs += 14 * 86_400_000
  t.notOk(limit.knows('192.0.2.1', 'ann'))
  limit.proved('192.0.2.1', 'ann')
  for (let agent = 0; agent < 50_000; agent += 1) limit.proved('192.0.2.3', `agent ${agent}`)
  t.notOk(limit.knows('192.0.2.1', 'ann'), 'many agents do not fill the memory')
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
