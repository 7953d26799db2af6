import t from 'tap'
import { hardWindow, TRANSPORTS, type HardWindowPlan } from '../fakes/hard-window.ts'

/** Public test cards of one brand and one length, each with an expiry and a code. */
const FORMS = [
  ['4263982640269299', '1230', '837'],
  ['4111111111111111', '0929', '460'],
  ['4012888888881881', '0133', '000'],
  ['4000056655665556', '1127', '999'],
] as const

const PLANS: readonly Omit<HardWindowPlan, 'keys' | 'transport'>[] = [
  { codec: 'PCMU', headers: 'same', loss: 0, jitterMs: 0, seed: 11 },
  { codec: 'PCMA', headers: 'own', loss: 0, jitterMs: 30, seed: 12 },
  { codec: 'PCMU', headers: 'same', loss: 0.03, jitterMs: 30, seed: 13 },
]

for (const transport of TRANSPORTS) {
  for (const plan of PLANS) {
    const name = `${transport}, ${plan.codec}, headers ${plan.headers}, loss ${plan.loss}, jitter ${plan.jitterMs} ms`
    t.test(`hard: windows that differ in digits alone are one and the same to the agent: ${name}`, (t) => {
      const [first, ...others] = FORMS.map((form) => ({
        form,
        window: hardWindow({ ...plan, transport, keys: Array.from(form.join(''), Number) }),
      }))
      if (first === undefined) throw new Error('no form')
      t.ok(first.window.toAgent.length > 400, 'packets left for the agent')
      t.ok(first.window.toPayer.length > 400, 'the payer heard the agent')
      for (const { window } of others) {
        t.same(window.toAgent, first.window.toAgent, 'every byte to the agent, and its time')
        t.same(window.toPayer, first.window.toPayer, 'every byte to the payer, and its time')
        t.same(window.told, first.window.told, 'all that the guard says, and when, declared fields aside')
      }
      // Lost keys make a field too short; then there is no card, whatever the digits were.
      if (plan.loss === 0) {
        for (const { form, window } of [first, ...others])
          t.same(window.cards, [form.join(' ')], 'the control: the digits arrived, and differ')
      }
      t.end()
    })
  }
}

t.test(
  'in talk-through too, windows that differ in tones alone are the same to the agent if nobody talks over them',
  (t) => {
    const plan = { codec: 'PCMU', headers: 'same', loss: 0, jitterMs: 0, seed: 11, transport: 'inband' } as const
    const [one, ...others] = FORMS.map((form) =>
      hardWindow({ ...plan, keys: Array.from(form.join(''), Number), masking: 'talk-through' }),
    )
    for (const other of others) t.same(other.toAgent, one?.toAgent)
    t.end()
  },
)

t.test('the comparison has teeth: with another noise of the guard the same window differs', (t) => {
  const plan = { codec: 'PCMU', headers: 'same', loss: 0, jitterMs: 0, transport: 'inband' } as const
  const [one, other] = [11, 12].map((seed) =>
    hardWindow({ ...plan, seed, keys: Array.from(FORMS[0].join(''), Number) }),
  )
  t.notSame(one?.toAgent, other?.toAgent)
  t.end()
})
