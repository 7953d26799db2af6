import t from 'tap'
import { parseDeskToSbc, parseSbcToDesk } from '../../src/wire/call-protocol.ts'
import { addedFieldsTaken, DESK_TO_SBC, pathsThatTakeACard, SBC_TO_DESK } from '../fakes/wire-samples.ts'

t.test('every message of the protocol is read as it is', (t) => {
  for (const message of DESK_TO_SBC) t.equal(parseDeskToSbc(message), message, message.type)
  for (const message of SBC_TO_DESK) t.equal(parseSbcToDesk(message), message, message.type)
  t.end()
})

t.test('only what SIP itself says can look like a card number, and nothing of a payment', (t) => {
  const ofSip = ['agent', 'agentSipCallId', 'from', 'payerSipCallId', 'to']
  t.same(
    pathsThatTakeACard(SBC_TO_DESK, parseSbcToDesk),
    [...ofSip.map((field) => `call.${field}`), ...ofSip.map((field) => `calls.${field}`)].sort(),
  )
  t.same(pathsThatTakeACard(DESK_TO_SBC, parseDeskToSbc), [])
  t.end()
})

t.test('a field more, a message of the other direction, or none is refused', (t) => {
  t.equal(addedFieldsTaken(DESK_TO_SBC, parseDeskToSbc), 0)
  t.equal(addedFieldsTaken(SBC_TO_DESK, parseSbcToDesk), 0)
  for (const message of SBC_TO_DESK) t.equal(parseDeskToSbc(message), null)
  for (const message of DESK_TO_SBC) t.equal(parseSbcToDesk(message), null)
  for (const value of [null, undefined, 'calls.watch', [], {}, { type: 'unknown' }])
    t.equal(parseDeskToSbc(value), null)
  t.end()
})

t.test('what an agent or a SIP peer can write stays within its letters', (t) => {
  const [, open] = DESK_TO_SBC
  for (const form of ['', 'Card', 'card name', '../card', 'x'.repeat(41)]) {
    t.equal(parseDeskToSbc({ ...open, form }), null)
  }
  const [, message] = SBC_TO_DESK
  const call = message?.type === 'call' ? message.call : null
  for (const change of [{ agent: '<b>' }, { agent: '' }, { from: 'é' }, { to: '\n' }, { payerSipCallId: 'a b' }]) {
    t.equal(parseSbcToDesk({ type: 'call', call: { ...call, ...change } }), null)
  }
  t.end()
})
