import t from 'tap'
import {
  FAILURES,
  PAYER_SILENT,
  PROBLEMS,
  connectionInWords,
  fieldInWords,
  guidance,
  maskedInWords,
  triesLeft,
} from '../../../src/desk/page/sentences.ts'
import { paymentFailureShape, type PaymentFailure } from '../../../src/wire/call-protocol.ts'
import { problemShape, type Problem } from '../../../src/wire/window-progress.ts'
import { callOf, fieldOf, paymentOf } from '../fake-sbc.ts'

const withPayment = (...more: Parameters<typeof paymentOf>) => guidance(callOf('a', { payment: paymentOf(...more) }))
const token = 'tok_qhzkvbwmxrtyplncdsfg7_1111'

t.test('until the masking is proven the agent is told not to ask', (t) => {
  t.match(withPayment({ state: 'opening' }), { tone: 'wait', headline: 'Do not ask for the card yet' })
  for (const failure of [
    'not_proven',
    'not_recorded',
    'unknown_merchant',
    'guard_unavailable',
    'media_unavailable',
  ] as const) {
    t.match(withPayment({ state: 'closed', failure }), { tone: 'failed', headline: /^Do not ask for the card/ })
  }
  t.end()
})

t.test('while capturing, the field that comes next is asked for', (t) => {
  const accepted = (name: 'card-number' | 'expiry') => fieldOf(name, { state: 'accepted', entered: 4 })
  t.match(withPayment({}), { tone: 'ask', headline: 'Ask for the card number' })
  t.match(withPayment({ fields: [accepted('card-number'), fieldOf('expiry')] }), {
    headline: 'Ask for the expiry date',
  })
  const code = [accepted('card-number'), accepted('expiry'), fieldOf('card-code')]
  t.match(withPayment({ fields: code }), { say: /three digits on the back/ })
  t.match(withPayment({ fields: code, brand: 'american-express' }), { say: /four digits on the front/ })
  t.end()
})

t.test('each problem of a field and each failure of a window has a sentence that can be said', (t) => {
  for (const [problem, { short, say }] of Object.entries(PROBLEMS)) {
    t.ok(problemShape(problem))
    t.ok(short.length <= 32 && say.length <= 140, 'short enough to be read at a glance')
    const field = fieldOf('card-number', { state: 'refused', entered: 5, problem: problem as Problem, triesLeft: 1 })
    t.match(withPayment({ fields: [field] }), { tone: 'fix', say, note: 'This is the last try' })
  }
  for (const [failure, { headline }] of Object.entries(FAILURES)) {
    t.ok(paymentFailureShape(failure))
    const words = withPayment({ state: 'closed', failure: failure as PaymentFailure })
    t.equal(words.headline, headline)
    t.match(words.tone, failure === 'cancelled' ? 'ready' : 'failed')
  }
  t.end()
})

t.test('while keys are masked the agent knows why the customer sounds as they do', (t) => {
  const words = (...more: Parameters<typeof paymentOf>) => maskedInWords(callOf('a', { payment: paymentOf(...more) }))
  t.equal(maskedInWords(callOf('a', { payment: null })), '')
  t.equal(words({ state: 'capturing', masking: 'talk-through' }), 'Keys are masked: the customer sounds hollow')
  t.match(words({ state: 'cooling', masking: 'talk-through' }), /^Keys are masked a few seconds more: .*hollow$/)
  t.match(words({ state: 'capturing', masking: 'hard' }), /do not hear the customer, but they hear you/)
  t.match(words({ state: 'capturing', masking: 'talk-through', alarmed: true }), /do not hear the customer/)
  t.end()
})

t.test('a refused field asks again until the customer types again', (t) => {
  const waiting = fieldOf('expiry', { problem: 'expired', triesLeft: 2 })
  t.match(withPayment({ fields: [waiting] }), { tone: 'fix', headline: 'Expiry date: date is in the past' })
  t.match(withPayment({ fields: [{ ...waiting, state: 'entering', entered: 1 }] }), { tone: 'ask' })
  t.end()
})

t.test('the end is told by its token, also while the keys are still masked', (t) => {
  for (const state of ['cooling', 'held', 'closed'] as const) {
    t.match(withPayment({ state, token, lastFour: '1111' }), { tone: 'done', headline: 'The card is stored' })
  }
  t.match(withPayment({ state: 'held', failure: 'guard_lost' }), { tone: 'failed', note: /stays masked/ })
  t.end()
})

t.test('no sentence asks for anything to be said aloud', (t) => {
  const says = [...Object.values(PROBLEMS), ...Object.values(FAILURES)].map(({ say }) => say ?? '')
  for (const say of says) t.notMatch(say, /\b(tell me|read out|spell|what is (the|your))\b/i)
  t.end()
})

t.test('a field in words says what is there, and never a digit but the last four', (t) => {
  const number = fieldOf('card-number', { entered: 16, brand: 'visa' })
  t.equal(fieldInWords({ ...number, state: 'entering' }), 'Card number: 16 digits typed, Visa')
  t.equal(
    fieldInWords({ ...number, state: 'accepted', lastFour: '1111' }),
    'Card number: accepted, Visa, ending in 1 1 1 1',
  )
  t.equal(fieldInWords({ ...number, state: 'refused', problem: 'check_digit' }), 'Card number: a digit is wrong')
  t.same(
    [0, 1, 2].map((left) => triesLeft({ ...number, triesLeft: left })),
    ['No tries left', 'This is the last try', '2 tries left'],
  )
  t.end()
})

t.test('a lost connection says what it means for the customer', (t) => {
  const words = (connection: 'live' | 'reconnecting', sbc: 'up' | 'down', masked: boolean) =>
    connectionInWords({ connection, sbc, masked })
  t.match(words('reconnecting', 'up', true), { bad: true, text: /customer stays masked/ })
  t.match(words('live', 'down', true), { bad: true, text: /customer stays masked/ })
  t.match(words('reconnecting', 'up', false), { bad: true, text: /Do not ask for a card/ })
  t.match(words('live', 'down', false), { bad: true, text: /cannot be taken/ })
  t.same(words('live', 'up', true), { bad: false, text: 'Connected' })
  t.end()
})

t.test('an alarm is told in words, says that nothing got through, and leaves what to do and say as it was', (t) => {
  const told = withPayment({ alarmed: true })
  t.match(told, { tone: 'ask', headline: 'Ask for the card number', note: /alarm.*No key got through/ })
  t.match(withPayment({ state: 'cooling', token, alarmed: true }), { tone: 'done', note: /alarm/ })
  t.match(withPayment({ state: 'cooling', failure: 'sentinel_alarm', alarmed: true }), {
    tone: 'failed',
    headline: /masking failed/,
    say: /stop typing/,
  })
  t.notMatch(withPayment({ state: 'closed', token, alarmed: true }).note ?? '', /alarm/, 'over when the window is')
  t.notMatch(withPayment({}).note ?? '', /alarm/)
  t.end()
})

t.test('a failed self-test is a reason of its own not to ask', (t) => {
  t.match(withPayment({ state: 'closed', failure: 'out_of_service' }), {
    headline: /^Do not ask for the card.*own test/,
  })
  t.end()
})

t.test('while nothing comes from a customer who is awaited, the agent reads what to do about it', (t) => {
  t.match(withPayment({ payerSilent: true }), { tone: 'ask', headline: 'Ask for the card number', note: PAYER_SILENT })
  t.match(withPayment({ payerSilent: true, alarmed: true }).note, /Masking raised an alarm.*No sound comes/)
  for (const state of ['opening', 'storing', 'cooling', 'held', 'closed'] as const)
    t.notMatch(withPayment({ state, payerSilent: true }).note ?? '', /No sound/, state)
  t.notMatch(withPayment({}).note ?? '', /No sound/)
  t.end()
})
