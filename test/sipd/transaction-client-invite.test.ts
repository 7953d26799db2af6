import t from 'tap'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import {
  initialClientInvite,
  stepClientInvite,
  type ClientInviteInput,
  type ClientInviteState,
} from '../../src/sipd/transaction-client-invite.ts'

const INPUTS: readonly ClientInviteInput[] = [
  'start',
  'provisional',
  'success',
  'failure',
  'A',
  'B',
  'D',
  'M',
  'transport_error',
]
const udp = { reliable: false, times: RFC_3261_TIMES }

t.test('every input in every state leads where RFC 3261 figure 5 and RFC 6026 say', (t) => {
  const calling = initialClientInvite(udp)
  const table: readonly (readonly [ClientInviteState, string])[] = [
    [calling, 'calling proceeding accepted completed calling terminated calling calling terminated'],
    [
      { name: 'proceeding' },
      'proceeding proceeding accepted completed proceeding proceeding proceeding proceeding proceeding',
    ],
    [
      { name: 'completed' },
      'completed completed completed completed completed completed terminated completed terminated',
    ],
    [{ name: 'accepted' }, 'accepted accepted accepted accepted accepted accepted accepted terminated accepted'],
    [{ name: 'terminated' }, INPUTS.map(() => 'terminated').join(' ')],
  ]
  for (const [state, expected] of table)
    t.equal(INPUTS.map((input) => stepClientInvite(state, input, udp).state.name).join(' '), expected, state.name)
  t.end()
})

t.test('a reliable transport sets no timer A and leaves a refusal at once', (t) => {
  const tcp = { reliable: true, times: RFC_3261_TIMES }
  t.same(stepClientInvite(initialClientInvite(tcp), 'start', tcp).effects, [
    { do: 'send' },
    { do: 'set_timer', timer: 'B', delayMs: 32_000 },
  ])
  t.equal(stepClientInvite({ name: 'proceeding' }, 'failure', tcp).state.name, 'terminated')
  t.end()
})
