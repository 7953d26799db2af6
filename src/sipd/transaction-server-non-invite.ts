import { stay, type Step, type TransactionTerms } from './transaction-step.ts'

/**
 * Non-INVITE server transaction, RFC 3261 section 17.2.2.
 *
 *   trying ──send 1xx──> proceeding ──send 2xx-6xx──> completed ──J──> terminated
 *      └──send 2xx-6xx────────────────────────────────────^
 */
export type ServerNonInviteState =
  | { readonly name: 'trying' }
  | { readonly name: 'proceeding' }
  | { readonly name: 'completed' }
  | { readonly name: 'terminated' }

export type ServerNonInviteTimer = 'J'

export type ServerNonInviteInput =
  'repeated' | 'send_provisional' | 'send_final' | ServerNonInviteTimer | 'transport_error'

type ServerNonInviteStep = Step<ServerNonInviteState, ServerNonInviteTimer>

export const INITIAL_SERVER_NON_INVITE: ServerNonInviteState = { name: 'trying' }

export function stepServerNonInvite(
  state: ServerNonInviteState,
  input: ServerNonInviteInput,
  terms: TransactionTerms,
): ServerNonInviteStep {
  switch (state.name) {
    case 'trying':
      // Nothing was sent yet, so a repeated request has nothing to be answered with.
      return input === 'repeated' ? stay(state) : open(state, input, terms)
    case 'proceeding':
      return input === 'repeated' ? { state, effects: [{ do: 'send' }] } : open(state, input, terms)
    case 'completed':
      if (input === 'repeated') return { state, effects: [{ do: 'send' }] }
      if (input === 'J') return { state: { name: 'terminated' }, effects: [] }
      if (input === 'transport_error')
        return { state: { name: 'terminated' }, effects: [{ do: 'clear_timer', timer: 'J' }] }
      return stay(state)
    case 'terminated':
      return stay(state)
  }
}

/** What trying and proceeding share. */
function open(
  state: ServerNonInviteState,
  input: Exclude<ServerNonInviteInput, 'repeated'>,
  terms: TransactionTerms,
): ServerNonInviteStep {
  switch (input) {
    case 'send_provisional':
      return { state: { name: 'proceeding' }, effects: [{ do: 'send' }] }
    case 'send_final':
      if (terms.reliable) return { state: { name: 'terminated' }, effects: [{ do: 'send' }] }
      return {
        state: { name: 'completed' },
        effects: [{ do: 'send' }, { do: 'set_timer', timer: 'J', delayMs: 64 * terms.times.t1Ms }],
      }
    case 'transport_error':
      return { state: { name: 'terminated' }, effects: [{ do: 'report', failure: 'transport' }] }
    case 'J':
      return stay(state)
  }
}
