import t from 'tap'
import { guardTag, otherParty } from '../../src/sbc/party.ts'

t.test('each party has the other, and its own side of the guard', (t) => {
  t.equal(otherParty('payer'), 'agent')
  t.equal(otherParty('agent'), 'payer')
  t.equal(guardTag('payer'), 'guard-payer')
  t.equal(guardTag('agent'), 'guard-agent')
  t.end()
})
