import t from 'tap'
import {
  captureRefusal,
  failureOf,
  openingPayment,
  stepPayment,
  type PaymentInput,
} from '../../src/sbc/payment-state.ts'
import type { Payment } from '../../src/wire/call-protocol.ts'
import type { WindowProgress } from '../../src/wire/window-progress.ts'

const STATES = ['opening', 'capturing', 'storing', 'cooling', 'held', 'closed'] as const
const TOKEN = 'tok_abcdefghijklmnopqrst1_4242'

function payment(state: Payment['state'], more: Partial<Payment> = {}): Payment {
  return {
    ...openingPayment({ windowId: 'abcdefghijklmnop', form: 'card', masking: 'talk-through' }),
    state,
    ...more,
  }
}

function progress(state: WindowProgress['state'], more: Partial<WindowProgress> = {}): PaymentInput {
  return {
    type: 'progress',
    progress: {
      state,
      masking: 'talk-through',
      fields: [],
      token: null,
      lastFour: null,
      brand: null,
      failure: null,
      ...more,
    },
  }
}

const INPUTS: Readonly<Record<string, PaymentInput>> = {
  masking: progress('masking'),
  capturing: progress('capturing'),
  storing: progress('storing'),
  finished: progress('finished', { token: TOKEN, lastFour: '4242', brand: 'visa' }),
  cancelled: progress('cancelled'),
  failed: progress('failed', { failure: 'tries_exhausted' }),
  proven: { type: 'proven', openMs: 12 },
  'guard-lost': { type: 'guard-lost' },
  alarm: { type: 'alarm' },
  'payer-silent': { type: 'payer', silent: true },
  held: { type: 'held' },
  'given-up': { type: 'failed', failure: 'call_ended' },
  closed: { type: 'closed' },
}

/** The state after each input, by the state before: opening, capturing, storing, cooling, held. */
const TABLE: Readonly<Record<string, readonly Payment['state'][]>> = {
  masking: ['opening', 'capturing', 'storing', 'cooling', 'held'],
  capturing: ['opening', 'capturing', 'capturing', 'capturing', 'held'],
  storing: ['opening', 'storing', 'storing', 'storing', 'held'],
  finished: ['cooling', 'cooling', 'cooling', 'cooling', 'held'],
  cancelled: ['cooling', 'cooling', 'cooling', 'cooling', 'held'],
  failed: ['cooling', 'cooling', 'cooling', 'cooling', 'held'],
  proven: ['capturing', 'capturing', 'storing', 'cooling', 'held'],
  'guard-lost': ['held', 'held', 'held', 'held', 'held'],
  alarm: ['opening', 'capturing', 'storing', 'cooling', 'held'],
  'payer-silent': ['opening', 'capturing', 'storing', 'cooling', 'held'],
  held: ['held', 'held', 'held', 'held', 'held'],
  'given-up': ['opening', 'capturing', 'storing', 'cooling', 'held'],
  closed: ['closed', 'closed', 'closed', 'closed', 'closed'],
}

t.test('each state goes where the table says for each input', (t) => {
  for (const [name, states] of Object.entries(TABLE)) {
    const input = INPUTS[name]
    if (input === undefined) return void t.fail(name)
    states.forEach((expected, index) => {
      const state = STATES[index] ?? 'closed'
      t.equal(stepPayment(payment(state), input).state, expected, `${state}, ${name}`)
    })
  }
  t.end()
})

t.test('closed is the end: no input changes anything of it', (t) => {
  const closed = payment('closed', { failure: 'cancelled' })
  for (const [name, input] of Object.entries(INPUTS)) t.equal(stepPayment(closed, input), closed, name)
  t.end()
})

t.test('only the input closed leads to closed', (t) => {
  for (const state of STATES.slice(0, 5))
    for (const [name, input] of Object.entries(INPUTS))
      if (name !== 'closed' && stepPayment(payment(state), input).state === 'closed') t.fail(`${state}, ${name}`)
  t.end()
})

t.test('the first failure is the one that is told', (t) => {
  const failed = stepPayment(payment('capturing'), { type: 'failed', failure: 'cancelled' })
  t.equal(failed.failure, 'cancelled')
  t.equal(stepPayment(failed, { type: 'failed', failure: 'call_ended' }).failure, 'cancelled')
  t.equal(stepPayment(failed, { type: 'guard-lost' }).failure, 'cancelled')
  t.equal(stepPayment(failed, progress('failed', { failure: 'time_limit' })).failure, 'cancelled')
  t.end()
})

t.test('a token that was returned stays, and what happens after it is no failure of the payment', (t) => {
  const done = stepPayment(payment('storing'), INPUTS['finished'] ?? { type: 'closed' })
  t.match(done, { state: 'cooling', token: TOKEN, lastFour: '4242', brand: 'visa', failure: null })
  for (const name of ['guard-lost', 'held', 'given-up', 'masking', 'cancelled', 'closed']) {
    const after = stepPayment(done, INPUTS[name] ?? { type: 'closed' })
    t.match(after, { token: TOKEN, lastFour: '4242', failure: null }, name)
  }
  t.end()
})

t.test('a guard that took over changes neither fields nor outcome, only the masking that is shown', (t) => {
  const held = payment('held', { failure: 'guard_lost' })
  t.same(stepPayment(held, progress('finished', { masking: 'hard', token: TOKEN })), { ...held, masking: 'hard' })
  t.end()
})

t.test('the time to open is kept from the proof on', (t) => {
  t.equal(stepPayment(payment('opening'), { type: 'proven', openMs: 7 }).openMs, 7)
  t.equal(stepPayment(payment('held'), { type: 'proven', openMs: 7 }).openMs, null)
  t.end()
})

t.test('a refusal that the agent sees is told as the same failure, any other as media that could not be had', (t) => {
  for (const code of ['guard_unavailable', 'media_unavailable', 'not_proven', 'call_ended'] as const) {
    t.equal(failureOf(code), code)
  }
  for (const code of ['unknown_call', 'unknown_form', 'window_open', 'no_window'] as const) {
    t.equal(failureOf(code), 'media_unavailable')
  }
  t.end()
})

t.test('an alarm stays with the window to its end, and ends no capture by itself', (t) => {
  const alarmed = stepPayment(payment('capturing'), { type: 'alarm' })
  t.match(alarmed, { state: 'capturing', alarmed: true, failure: null })
  t.equal(stepPayment(alarmed, progress('finished', { token: TOKEN })).alarmed, true)
  t.equal(stepPayment(alarmed, { type: 'guard-lost' }).alarmed, true)
  t.equal(openingPayment({ windowId: 'abcdefghijklmnop', form: 'card', masking: 'hard' }).alarmed, false)
  t.end()
})

t.test('that nothing comes from the payer is told until something does, or another guard listens', (t) => {
  const silent = stepPayment(payment('capturing'), { type: 'payer', silent: true })
  t.match(silent, { state: 'capturing', payerSilent: true, failure: null })
  t.equal(stepPayment(silent, { type: 'payer', silent: true }), silent, 'no change')
  t.equal(stepPayment(silent, { type: 'payer', silent: false }).payerSilent, false)
  t.equal(stepPayment(silent, { type: 'guard-lost' }).payerSilent, false)
  t.equal(stepPayment(silent, { type: 'closed' }).payerSilent, false)
  t.end()
})

t.test('the agent is told why a guard takes no keys, as far as the guard says it', (t) => {
  t.equal(captureRefusal({ type: 'ok' }), null)
  for (const code of ['not_recorded', 'unknown_merchant'] as const) {
    t.equal(captureRefusal({ type: 'refused', code }), code)
    t.equal(failureOf(code), code)
  }
  t.equal(captureRefusal({ type: 'refused', code: 'not_connected' }), 'not_proven')
  t.equal(captureRefusal(null), 'not_proven')
  t.end()
})
