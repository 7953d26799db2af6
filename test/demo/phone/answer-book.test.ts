import { mock } from 'node:test'
import t from 'tap'
import { AnswerBook } from '../../../src/demo/phone/answer-book.ts'
import { T1_MS, TRANSACTION_MS } from '../../../src/demo/phone/client-transaction.ts'

t.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
t.afterEach(() => mock.timers.reset())

function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += T1_MS) mock.timers.tick(T1_MS)
}

t.test('a repeated request gets its last answer again, and none before there is one', (t) => {
  const book = new AnswerBook()
  const sent: string[] = []
  t.equal(book.heardBefore('a'), false)
  book.note('a')
  t.equal(book.heardBefore('a'), true)
  book.answer('a', () => sent.push('ringing'))
  book.answer('a', () => sent.push('ok'))
  t.equal(book.heardBefore('a'), true)
  t.same(sent, ['ringing', 'ok', 'ok'])
  t.end()
})

t.test('a final answer is sent until it is acknowledged', (t) => {
  const book = new AnswerBook()
  let sent = 0
  const lost: string[] = []
  book.answerUntilAcknowledged('a', 'call 1', { send: () => (sent += 1), onLost: () => lost.push('a') })
  pass(T1_MS)
  t.equal(sent, 2)
  t.equal(book.acknowledged('call 1'), true)
  t.equal(book.acknowledged('call 1'), false)
  pass(TRANSACTION_MS)
  t.equal(sent, 2)
  book.answerUntilAcknowledged('b', 'call 2', { send: () => undefined, onLost: () => lost.push('b') })
  pass(TRANSACTION_MS + 4_000)
  t.same(lost, ['b'])
  book.close()
  book.close()
  t.end()
})

t.test('only so many answers are kept', (t) => {
  const book = new AnswerBook()
  for (let index = 0; index < 300; index += 1) book.note(`request ${index}`)
  t.equal(book.heardBefore('request 0'), false)
  t.equal(book.heardBefore('request 299'), true)
  t.end()
})
