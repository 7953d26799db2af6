import { stay, type Effect, type Step, type TransactionTerms } from './transaction-step.ts'

/**
 * Non-INVITE client transaction, RFC 3261 section 17.1.2.
 *
 *   trying ──1xx──> proceeding ──2xx-6xx──> completed ──K──> terminated
 *     │ └──2xx-6xx──────────────────────────────^
 *     └──E──> trying (send again, interval doubles up to T2); F, transport error ──> terminated
 */
export type ClientNonInviteState =
  | { readonly name: 'trying'; readonly retransmitMs: number }
  | { readonly name: 'proceeding' }
  | { readonly name: 'completed' }
  | { readonly name: 'terminated' }

export type ClientNonInviteTimer = 'E' | 'F' | 'K'

export type ClientNonInviteInput = 'start' | 'provisional' | 'final' | ClientNonInviteTimer | 'transport_error'

type ClientNonInviteStep = Step<ClientNonInviteState, ClientNonInviteTimer>
type ClientNonInviteEffect = Effect<ClientNonInviteTimer>

const TERMINATED: ClientNonInviteState = { name: 'terminated' }
const STOP_TRYING: readonly ClientNonInviteEffect[] = [
  { do: 'clear_timer', timer: 'E' },
  { do: 'clear_timer', timer: 'F' },
]

/** 'start' in state trying sends the request for the first time. */
export function stepClientNonInvite(
  state: ClientNonInviteState,
  input: ClientNonInviteInput,
  terms: TransactionTerms,
): ClientNonInviteStep {
  switch (state.name) {
    case 'trying':
      if (input === 'start') return start(state, terms)
      if (input === 'E') return retransmit(Math.min(state.retransmitMs * 2, terms.times.t2Ms), 'trying')
      return pending(state, input, terms)
    case 'proceeding':
      if (input === 'E') return retransmit(terms.times.t2Ms, 'proceeding')
      return pending(state, input, terms)
    case 'completed':
      return input === 'K' ? { state: TERMINATED, effects: [] } : stay(state)
    case 'terminated':
      return stay(state)
  }
}

export const initialClientNonInvite = (terms: TransactionTerms): ClientNonInviteState => ({
  name: 'trying',
  retransmitMs: terms.times.t1Ms,
})

function start(state: Extract<ClientNonInviteState, { name: 'trying' }>, terms: TransactionTerms): ClientNonInviteStep {
  const timeout: ClientNonInviteEffect = { do: 'set_timer', timer: 'F', delayMs: 64 * terms.times.t1Ms }
  if (terms.reliable) return { state, effects: [{ do: 'send' }, timeout] }
  return { state, effects: [{ do: 'send' }, { do: 'set_timer', timer: 'E', delayMs: state.retransmitMs }, timeout] }
}

function retransmit(retransmitMs: number, name: 'trying' | 'proceeding'): ClientNonInviteStep {
  const state: ClientNonInviteState = name === 'trying' ? { name, retransmitMs } : { name }
  return { state, effects: [{ do: 'send' }, { do: 'set_timer', timer: 'E', delayMs: retransmitMs }] }
}

/** What trying and proceeding share: only the retransmission interval differs between them. */
function pending(
  state: ClientNonInviteState,
  input: ClientNonInviteInput,
  terms: TransactionTerms,
): ClientNonInviteStep {
  switch (input) {
    case 'provisional':
      return { state: { name: 'proceeding' }, effects: [{ do: 'deliver' }] }
    case 'final':
      if (terms.reliable) return { state: TERMINATED, effects: [...STOP_TRYING, { do: 'deliver' }] }
      return {
        state: { name: 'completed' },
        effects: [...STOP_TRYING, { do: 'set_timer', timer: 'K', delayMs: terms.times.t4Ms }, { do: 'deliver' }],
      }
    case 'F':
      return { state: TERMINATED, effects: [...STOP_TRYING, { do: 'report', failure: 'timeout' }] }
    case 'transport_error':
      return { state: TERMINATED, effects: [...STOP_TRYING, { do: 'report', failure: 'transport' }] }
    case 'start':
    case 'E':
    case 'K':
      return stay(state)
  }
}
