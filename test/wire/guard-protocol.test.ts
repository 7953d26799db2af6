import t from 'tap'
import { parseGuardToSbc, parseSbcToGuard } from '../../src/wire/guard-protocol.ts'
import { addedFieldsTaken, GUARD_TO_SBC, pathsThatTakeACard, SBC_TO_GUARD } from '../fakes/wire-samples.ts'

t.test('every message of the protocol is read as it is', (t) => {
  for (const message of SBC_TO_GUARD) t.equal(parseSbcToGuard(message), message, message.type)
  for (const message of GUARD_TO_SBC) t.equal(parseGuardToSbc(message), message, message.type)
  t.end()
})

t.test('no field of what leaves the guard can hold a card number', (t) => {
  t.same(pathsThatTakeACard(GUARD_TO_SBC, parseGuardToSbc), [])
  t.end()
})

t.test('towards the guard only the unread body of a SIP INFO can hold digits', (t) => {
  t.same(pathsThatTakeACard(SBC_TO_GUARD, parseSbcToGuard), ['body'])
  t.end()
})

t.test('a field more, a message of the other direction, or none is refused', (t) => {
  t.equal(addedFieldsTaken(SBC_TO_GUARD, parseSbcToGuard), 0)
  t.equal(addedFieldsTaken(GUARD_TO_SBC, parseGuardToSbc), 0)
  for (const message of GUARD_TO_SBC) t.equal(parseSbcToGuard(message), null)
  for (const message of SBC_TO_GUARD) t.equal(parseGuardToSbc(message), null)
  for (const value of [null, undefined, 'ok', [], {}, { type: 'unknown' }]) t.equal(parseSbcToGuard(value), null)
  t.end()
})
