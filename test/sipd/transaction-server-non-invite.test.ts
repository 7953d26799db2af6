import t from 'tap'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import {
  INITIAL_SERVER_NON_INVITE,
  stepServerNonInvite,
  type ServerNonInviteInput,
  type ServerNonInviteState,
} from '../../src/sipd/transaction-server-non-invite.ts'

const INPUTS: readonly ServerNonInviteInput[] = ['repeated', 'send_provisional', 'send_final', 'J', 'transport_error']
const udp = { reliable: false, times: RFC_3261_TIMES }

t.test('every input in every state leads where RFC 3261 figure 8 says', (t) => {
  const table: readonly (readonly [ServerNonInviteState, string])[] = [
    [INITIAL_SERVER_NON_INVITE, 'trying proceeding completed trying terminated'],
    [{ name: 'proceeding' }, 'proceeding proceeding completed proceeding terminated'],
    [{ name: 'completed' }, 'completed completed completed terminated terminated'],
    [{ name: 'terminated' }, 'terminated terminated terminated terminated terminated'],
  ]
  for (const [state, expected] of table)
    t.equal(INPUTS.map((input) => stepServerNonInvite(state, input, udp).state.name).join(' '), expected, state.name)
  t.end()
})

t.test('nothing is sent for a repeated request that was not answered yet', (t) => {
  t.same(stepServerNonInvite(INITIAL_SERVER_NON_INVITE, 'repeated', udp).effects, [])
  t.same(stepServerNonInvite({ name: 'completed' }, 'repeated', udp).effects, [{ do: 'send' }])
  t.end()
})
