import { stay, timerDMs, type Effect, type Step, type TransactionTerms } from './transaction-step.ts'

/**
 * INVITE client transaction, RFC 3261 section 17.1.1 with the Accepted state of RFC 6026 section 7.2.
 *
 *   calling ──1xx──> proceeding ──3xx-6xx──> completed ──D──> terminated
 *      │  │              └──2xx──> accepted ──M──> terminated
 *      │  └──B, transport error──> terminated
 *      └──A──> calling (send again, interval doubles)
 */
export type ClientInviteState =
  | { readonly name: 'calling'; readonly retransmitMs: number }
  | { readonly name: 'proceeding' }
  | { readonly name: 'completed' }
  | { readonly name: 'accepted' }
  | { readonly name: 'terminated' }

export type ClientInviteTimer = 'A' | 'B' | 'D' | 'M'

export type ClientInviteInput = 'start' | 'provisional' | 'success' | 'failure' | ClientInviteTimer | 'transport_error'

type ClientInviteStep = Step<ClientInviteState, ClientInviteTimer>
type ClientInviteEffect = Effect<ClientInviteTimer>

const TERMINATED: ClientInviteState = { name: 'terminated' }
const STOP_CALLING: readonly ClientInviteEffect[] = [
  { do: 'clear_timer', timer: 'A' },
  { do: 'clear_timer', timer: 'B' },
]

/** 'start' in state calling sends the request for the first time. */
export function stepClientInvite(
  state: ClientInviteState,
  input: ClientInviteInput,
  terms: TransactionTerms,
): ClientInviteStep {
  switch (state.name) {
    case 'calling':
      return calling(state, input, terms)
    case 'proceeding':
      return proceeding(state, input, terms)
    case 'completed':
      return completed(state, input)
    case 'accepted':
      return accepted(state, input)
    case 'terminated':
      return stay(state)
  }
}

export const initialClientInvite = (terms: TransactionTerms): ClientInviteState => ({
  name: 'calling',
  retransmitMs: terms.times.t1Ms,
})

function calling(
  state: Extract<ClientInviteState, { name: 'calling' }>,
  input: ClientInviteInput,
  terms: TransactionTerms,
): ClientInviteStep {
  switch (input) {
    case 'start': {
      const timeout: ClientInviteEffect = { do: 'set_timer', timer: 'B', delayMs: 64 * terms.times.t1Ms }
      if (terms.reliable) return { state, effects: [{ do: 'send' }, timeout] }
      return { state, effects: [{ do: 'send' }, { do: 'set_timer', timer: 'A', delayMs: state.retransmitMs }, timeout] }
    }
    case 'A': {
      const retransmitMs = state.retransmitMs * 2
      return {
        state: { name: 'calling', retransmitMs },
        effects: [{ do: 'send' }, { do: 'set_timer', timer: 'A', delayMs: retransmitMs }],
      }
    }
    case 'B':
      return { state: TERMINATED, effects: [...STOP_CALLING, { do: 'report', failure: 'timeout' }] }
    case 'transport_error':
      return { state: TERMINATED, effects: [...STOP_CALLING, { do: 'report', failure: 'transport' }] }
    case 'provisional':
      return { state: { name: 'proceeding' }, effects: [...STOP_CALLING, { do: 'deliver' }] }
    case 'success':
    case 'failure':
      return final(input, STOP_CALLING, terms)
    case 'D':
    case 'M':
      return stay(state)
  }
}

function proceeding(state: ClientInviteState, input: ClientInviteInput, terms: TransactionTerms): ClientInviteStep {
  if (input === 'provisional') return { state, effects: [{ do: 'deliver' }] }
  if (input === 'success' || input === 'failure') return final(input, [], terms)
  return stay(state)
}

/** A repeated failure is acknowledged again, and not passed up (section 17.1.1.2). */
function completed(state: ClientInviteState, input: ClientInviteInput): ClientInviteStep {
  if (input === 'failure') return { state, effects: [{ do: 'send_ack' }] }
  if (input === 'D') return { state: TERMINATED, effects: [] }
  if (input === 'transport_error') return { state: TERMINATED, effects: [{ do: 'clear_timer', timer: 'D' }] }
  return stay(state)
}

/** Every 2xx goes up: a repeated one needs its ACK again, one of another fork is another dialog (RFC 6026 section 7.2). */
function accepted(state: ClientInviteState, input: ClientInviteInput): ClientInviteStep {
  if (input === 'success') return { state, effects: [{ do: 'deliver' }] }
  if (input === 'M') return { state: TERMINATED, effects: [] }
  return stay(state)
}

function final(
  input: 'success' | 'failure',
  before: readonly ClientInviteEffect[],
  terms: TransactionTerms,
): ClientInviteStep {
  if (input === 'success') {
    return {
      state: { name: 'accepted' },
      effects: [...before, { do: 'set_timer', timer: 'M', delayMs: 64 * terms.times.t1Ms }, { do: 'deliver' }],
    }
  }
  if (terms.reliable) return { state: TERMINATED, effects: [...before, { do: 'send_ack' }, { do: 'deliver' }] }
  return {
    state: { name: 'completed' },
    effects: [
      ...before,
      { do: 'send_ack' },
      { do: 'set_timer', timer: 'D', delayMs: timerDMs(terms.times) },
      { do: 'deliver' },
    ],
  }
}
