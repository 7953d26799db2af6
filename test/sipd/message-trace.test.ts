import t from 'tap'
import { MessageTrace, TRACE_LIMITS } from '../../src/sipd/message-trace.ts'
import type { SeenMessage } from '../../src/sipd/seen-message.ts'

const FACTS = {
  atMs: 1_000,
  direction: 'received',
  transport: 'udp',
  local: '127.0.0.1:5060',
  remote: '127.0.0.2:5060',
} as const

function seen(callId: string, method: string, status: number | null = null, text = 'x'): SeenMessage {
  return { callId, method, status, text }
}

t.test('a call has its messages in order, both legs merged, and others nothing', (t) => {
  const trace = new MessageTrace()
  trace.add(seen('a', 'OPTIONS'), FACTS)
  trace.add(seen('a', 'INVITE'), FACTS)
  trace.add(seen('b', 'INVITE'), { ...FACTS, direction: 'sent' })
  trace.add(seen('a', 'INVITE', 200), { ...FACTS, direction: 'sent' })
  t.same(
    trace.of(['b', 'a', 'a', 'unknown']).map(({ sequence, direction }) => [sequence, direction]),
    [
      [1, 'received'],
      [2, 'sent'],
      [3, 'sent'],
    ],
  )
  t.same(trace.of(['unknown']), [])
  t.end()
})

t.test('an ended call stays for its time and then goes', (t) => {
  const trace = new MessageTrace({ ...TRACE_LIMITS, endedKeptMs: 500 })
  trace.add(seen('a', 'INVITE'), FACTS)
  trace.add(seen('a', 'BYE'), FACTS)
  trace.add(seen('a', 'BYE', 200), FACTS)
  t.equal(trace.of(['a']).length, 3, 'the answer to the BYE belongs to it')
  trace.add(seen('refused', 'INVITE'), FACTS)
  trace.add(seen('refused', 'INVITE', 486), { ...FACTS, atMs: 1_400 })
  trace.add(seen('b', 'INVITE'), { ...FACTS, atMs: 1_600 })
  t.same(trace.of(['a']), [])
  t.equal(trace.of(['refused']).length, 2)
  t.equal(trace.calls, 2)
  t.end()
})

t.test('a call that never ends by itself keeps its beginning and its last messages', (t) => {
  const trace = new MessageTrace({ ...TRACE_LIMITS, callMessagesMax: 10, callFirstKept: 4 })
  for (let index = 0; index < 100; index += 1) trace.add(seen('a', 'INVITE'), FACTS)
  t.same(
    trace.of(['a']).map(({ sequence }) => sequence),
    [1, 2, 3, 4, 95, 96, 97, 98, 99, 100],
  )
  t.end()
})

t.test('all calls together stay below the limit: ended ones go first, then the oldest', (t) => {
  const trace = new MessageTrace({ ...TRACE_LIMITS, bytesMax: 5_000 })
  const text = 'x'.repeat(700)
  trace.add(seen('live', 'INVITE', null, text), FACTS)
  trace.add(seen('ended', 'INVITE', null, text), FACTS)
  trace.add(seen('ended', 'BYE', null, text), FACTS)
  trace.add(seen('b', 'INVITE', null, text), FACTS)
  trace.add(seen('c', 'INVITE', null, text), FACTS)
  trace.add(seen('d', 'INVITE', null, text), FACTS)
  t.same(trace.of(['ended']), [])
  t.equal(trace.of(['live']).length, 1)
  for (let index = 0; index < 1_000; index += 1) trace.add(seen(`n${index}`, 'INVITE', null, text), FACTS)
  t.ok(trace.bytes <= 5_000)
  t.same(trace.of(['live']), [])
  t.ok(trace.calls <= 5)
  t.end()
})
