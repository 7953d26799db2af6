import t from 'tap'
import { CallBook, ENDED_MAX } from '../../src/desk/call-book.ts'
import { callOf, paymentOf } from './fake-sbc.ts'

const NOW_MS = 1_750_000_000_000
const ended = (letter: string, endedAtMs: number) => callOf(letter, { state: 'ended', endedAtMs })

t.test('a snapshot brings the calls in, and tells that the sbc is there', (t) => {
  const book = new CallBook()
  t.same([book.sbc, book.synced], ['down', false])
  const a = callOf('a')
  t.same(book.replace([a], NOW_MS), [
    { type: 'sbc', sbc: 'up' },
    { type: 'call', call: a },
  ])
  t.same(book.list('alice'), [a])
  t.same(book.list('bob'), [])
  t.equal(book.get('unknown'), null)
  t.end()
})

t.test('what did not change makes no change', (t) => {
  const book = new CallBook()
  const a = callOf('a')
  book.replace([a], NOW_MS)
  t.same(book.put(structuredClone(a)), [])
  t.same(book.replace([structuredClone(a)], NOW_MS), [])
  t.end()
})

t.test('a call that a new snapshot does not know has ended, and its payment failed with the sbc', (t) => {
  const book = new CallBook()
  book.replace([callOf('a', { payment: paymentOf() }), callOf('b')], NOW_MS)
  t.same(book.lose(), [{ type: 'sbc', sbc: 'down' }])
  t.same(book.lose(), [])
  t.equal(book.list(null).length, 2, 'nobody knows better yet')
  t.match(book.replace([callOf('b')], NOW_MS), [
    { type: 'sbc', sbc: 'up' },
    { call: { state: 'ended', endedAtMs: NOW_MS, payment: { state: 'closed', failure: 'sbc_lost' } } },
  ])
  t.end()
})

t.test('a token that was there before the sbc was lost stays', (t) => {
  const book = new CallBook()
  const token = 'tok_qhzkvbwmxrtyplncdsfg7_1111'
  book.replace([callOf('a', { payment: paymentOf({ state: 'cooling', token, lastFour: '1111' }) })], NOW_MS)
  book.replace([], NOW_MS)
  t.match(book.get('a'.repeat(20)), { state: 'ended', payment: { state: 'closed', token, failure: null } })
  t.end()
})

t.test('a call that moves to another agent is gone for the first', (t) => {
  const book = new CallBook()
  book.put(callOf('a'))
  t.match(book.put(callOf('a', { agent: 'bob' })), [
    { type: 'gone', agent: 'alice' },
    { type: 'call', call: { agent: 'bob' } },
  ])
  t.end()
})

t.test('ended calls are kept for ten minutes, a thousand of them at most', (t) => {
  const book = new CallBook()
  book.put(ended('a', NOW_MS - 600_001))
  book.put(ended('b', NOW_MS - 599_000))
  t.same(book.prune(NOW_MS), [{ type: 'gone', callId: 'a'.repeat(20), agent: 'alice' }])
  for (let index = 0; index < ENDED_MAX; index += 1) {
    const letters = String(index)
      .padStart(20, '0')
      .replaceAll(/\d/g, (digit) => String.fromCharCode(99 + Number(digit)))
    book.put({ ...ended('c', NOW_MS), callId: letters })
  }
  t.same(book.prune(NOW_MS), [{ type: 'gone', callId: 'b'.repeat(20), agent: 'alice' }], 'the oldest goes')
  t.end()
})
