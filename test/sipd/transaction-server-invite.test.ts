import t from 'tap'
import { RFC_3261_TIMES } from '../../src/sipd/transaction-step.ts'
import {
  INITIAL_SERVER_INVITE,
  stepServerInvite,
  type ServerInviteInput,
  type ServerInviteState,
} from '../../src/sipd/transaction-server-invite.ts'

const INPUTS: readonly ServerInviteInput[] = [
  'repeated',
  'ack',
  'send_provisional',
  'send_success',
  'send_failure',
  'G',
  'H',
  'I',
  'L',
  'transport_error',
]
const udp = { reliable: false, times: RFC_3261_TIMES }

t.test('every input in every state leads where RFC 3261 figure 7 and RFC 6026 say', (t) => {
  const same = (name: string): string => INPUTS.map(() => name).join(' ')
  const table: readonly (readonly [ServerInviteState, string])[] = [
    [
      INITIAL_SERVER_INVITE,
      'proceeding proceeding proceeding accepted completed proceeding proceeding proceeding proceeding terminated',
    ],
    [
      { name: 'completed', retransmitMs: 500 },
      'completed confirmed completed completed completed completed terminated completed completed terminated',
    ],
    [{ name: 'confirmed' }, same('confirmed').replace(/(\S+ ){7}\S+/, (head) => head.replace(/\S+$/, 'terminated'))],
    [{ name: 'accepted' }, same('accepted').replace(/(\S+ ){8}\S+/, (head) => head.replace(/\S+$/, 'terminated'))],
    [{ name: 'terminated' }, same('terminated')],
  ]
  for (const [state, expected] of table)
    t.equal(INPUTS.map((input) => stepServerInvite(state, input, udp).state.name).join(' '), expected, state.name)
  t.end()
})

t.test('a reliable transport repeats nothing and ends with the ACK', (t) => {
  const tcp = { reliable: true, times: RFC_3261_TIMES }
  t.same(stepServerInvite(INITIAL_SERVER_INVITE, 'send_failure', tcp).effects, [
    { do: 'send' },
    { do: 'set_timer', timer: 'H', delayMs: 32_000 },
  ])
  t.equal(stepServerInvite({ name: 'completed', retransmitMs: 500 }, 'ack', tcp).state.name, 'terminated')
  t.end()
})
