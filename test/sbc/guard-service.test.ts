import t from 'tap'
import { GuardService } from '../../src/sbc/guard-service.ts'

t.test('a guard that nobody tested may not be used, unless nothing is tested', (t) => {
  t.equal(new GuardService({ isTested: true }).stateOf('a'), 'not_yet')
  t.equal(new GuardService({ isTested: false }).stateOf('a'), 'yes')
  t.end()
})

t.test('who waits is told of a change, not of a repetition, and waits no longer than asked', async (t) => {
  const service = new GuardService({ isTested: true })
  let told = false
  const waiting = service.changed(60_000).then(() => {
    told = true
  })
  service.set('a', 'not_yet')
  await service.changed(1)
  t.notOk(told)
  service.set('a', 'yes')
  await waiting
  t.equal(service.stateOf('a'), 'yes')
})
