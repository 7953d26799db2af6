import t from 'tap'
import { CallDirectory } from '../../src/sbc/call-directory.ts'
import type { Call } from '../../src/sbc/call.ts'
import { randomLetters } from '../../src/sbc/letters.ts'
import { CALLS_MAX } from '../../src/wire/call-protocol.ts'

function call(callId = randomLetters(20)): Call {
  return { facts: { callId }, view: () => ({ callId }) } as unknown as Call
}

t.test('a call is found by its id as long as it is in', (t) => {
  const directory = new CallDirectory()
  const one = call()
  directory.add(one)
  t.equal(directory.find(one.facts.callId), one)
  t.same(directory.all(), [one])
  t.same(directory.views(), [{ callId: one.facts.callId }])
  directory.remove(one)
  directory.remove(one)
  t.equal(directory.find(one.facts.callId), null)
  t.equal(directory.size, 0)
  t.end()
})

t.test('an id that nobody has finds nothing, whatever it is', (t) => {
  for (const id of ['', '__proto__', 'constructor']) t.equal(new CallDirectory().find(id), null)
  t.end()
})

t.test('it is full at its limit and not before', (t) => {
  const directory = new CallDirectory()
  for (let count = 1; count < CALLS_MAX; count += 1) directory.add(call())
  t.notOk(directory.isFull)
  const last = call()
  directory.add(last)
  t.ok(directory.isFull)
  directory.remove(last)
  t.notOk(directory.isFull)
  t.end()
})
