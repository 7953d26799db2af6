import t from 'tap'
import { whatFailed, type PaymentRun } from '../../src/demo/payment-verdict.ts'

const RUN: PaymentRun = {
  payment: {
    state: 'closed',
    masking: 'talk-through',
    token: 'a token',
    lastFour: null,
    failure: null,
    openMs: 500,
    fields: [],
  },
  keysPressed: 24,
  captured: 24,
  openUs: 0,
  closeUs: 1,
  problem: null,
}
const AT_CHANCE = { hits: 2, tries: 24, chance: 1 / 12, upper99: 0.3 }
const JUDGED = {
  controlHolds: true,
  agent: {
    recovered: { events: 0, multimon: 0, matchedFilter: 0 },
    filter: { read: 0, forcedChoice: AT_CHANCE, byWindow: [] },
  },
}
type Judged = Parameters<typeof whatFailed>[1]

const withPayment = (payment: Partial<NonNullable<PaymentRun['payment']>>): PaymentRun => ({
  ...RUN,
  ...(RUN.payment === null ? {} : { payment: { ...RUN.payment, ...payment } }),
})
const withRecovered = (recovered: Partial<typeof JUDGED.agent.recovered>): Judged => ({
  ...JUDGED,
  agent: { ...JUDGED.agent, recovered: { ...JUDGED.agent.recovered, ...recovered } },
})

t.test('nothing failed when every promise was kept', (t) => {
  t.same(whatFailed(RUN, JUDGED), [])
  t.end()
})

t.test('each promise that was not kept is named, and no other', (t) => {
  const runs: readonly (readonly [run: PaymentRun, failure: string])[] = [
    [{ ...RUN, problem: 'the desk said timeout' }, 'the desk said timeout'],
    [withPayment({ token: null }), 'the vault returned no token'],
    [withPayment({ state: 'held' }), 'the window did not close'],
    [{ ...RUN, captured: 23 }, 'the guard did not take each key once'],
    [{ ...RUN, captured: 25 }, 'the guard did not take each key once'],
    [{ ...RUN, keysPressed: 0, captured: 0 }, 'the guard did not take each key once'],
    [withPayment({ openMs: 501 }), 'the interposition was not proven in 500 ms'],
    [withPayment({ openMs: null }), 'the interposition was not proven in 500 ms'],
  ]
  for (const [run, failure] of runs) t.same(whatFailed(run, JUDGED), [failure])
  const judgements: readonly (readonly [judged: Judged, failure: RegExp])[] = [
    [withRecovered({ events: 1 }), /telephone-events/],
    [withRecovered({ multimon: 1 }), /multimon-ng/],
    [withRecovered({ matchedFilter: 1 }), /matched filter read/],
    [
      {
        ...JUDGED,
        agent: { ...JUDGED.agent, filter: { read: 0, forcedChoice: { ...AT_CHANCE, hits: 20 }, byWindow: [] } },
      },
      /better than chance/,
    ],
    [{ ...JUDGED, controlHolds: false }, /control failed/],
  ]
  for (const [judged, failure] of judgements) {
    const failures = whatFailed(RUN, judged)
    t.equal(failures.length, 1)
    t.match(failures[0], failure)
  }
  t.end()
})

t.test('a payment that broke off before its window fails by all that it lacks', (t) => {
  const failures = whatFailed(
    { ...RUN, payment: null, keysPressed: 0, captured: 0, problem: 'the payment broke off' },
    JUDGED,
  )
  t.equal(failures.length, 5)
  t.equal(failures[0], 'the payment broke off')
  t.end()
})
