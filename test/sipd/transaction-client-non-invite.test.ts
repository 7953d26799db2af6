import t from 'tap'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import {
  initialClientNonInvite,
  stepClientNonInvite,
  type ClientNonInviteInput,
  type ClientNonInviteState,
} from '../../src/sipd/transaction-client-non-invite.ts'

const INPUTS: readonly ClientNonInviteInput[] = ['start', 'provisional', 'final', 'E', 'F', 'K', 'transport_error']
const udp = { reliable: false, times: RFC_3261_TIMES }

t.test('every input in every state leads where RFC 3261 figure 6 says', (t) => {
  const table: readonly (readonly [ClientNonInviteState, string])[] = [
    [initialClientNonInvite(udp), 'trying proceeding completed trying terminated trying terminated'],
    [{ name: 'proceeding' }, 'proceeding proceeding completed proceeding terminated proceeding terminated'],
    [{ name: 'completed' }, 'completed completed completed completed completed terminated completed'],
    [{ name: 'terminated' }, INPUTS.map(() => 'terminated').join(' ')],
  ]
  for (const [state, expected] of table)
    t.equal(INPUTS.map((input) => stepClientNonInvite(state, input, udp).state.name).join(' '), expected, state.name)
  t.end()
})

t.test('a reliable transport sets no timer E and ends with the final answer', (t) => {
  const tcp = { reliable: true, times: RFC_3261_TIMES }
  t.same(stepClientNonInvite(initialClientNonInvite(tcp), 'start', tcp).effects, [
    { do: 'send' },
    { do: 'set_timer', timer: 'F', delayMs: 32_000 },
  ])
  t.equal(stepClientNonInvite({ name: 'proceeding' }, 'final', tcp).state.name, 'terminated')
  t.end()
})
