import { stay, type Effect, type Step, type TransactionTerms } from './transaction-step.ts'

/**
 * INVITE server transaction, RFC 3261 section 17.2.1 with the Accepted state of RFC 6026 section 7.1.
 *
 *   proceeding ──send 2xx──> accepted ──L──> terminated
 *       └──send 3xx-6xx──> completed ──ACK──> confirmed ──I──> terminated
 *                              │ └──H──> terminated, report timeout
 *                              └──G──> completed (send again, interval doubles up to T2)
 */
export type ServerInviteState =
  | { readonly name: 'proceeding'; readonly answered: boolean }
  | { readonly name: 'completed'; readonly retransmitMs: number }
  | { readonly name: 'confirmed' }
  | { readonly name: 'accepted' }
  | { readonly name: 'terminated' }

export type ServerInviteTimer = 'G' | 'H' | 'I' | 'L'

/** 'repeated' is a retransmission of the INVITE; 'ack' an ACK with the branch of the INVITE. */
export type ServerInviteInput =
  'repeated' | 'ack' | 'send_provisional' | 'send_success' | 'send_failure' | ServerInviteTimer | 'transport_error'

type ServerInviteStep = Step<ServerInviteState, ServerInviteTimer>
type ServerInviteEffect = Effect<ServerInviteTimer>

const TERMINATED: ServerInviteState = { name: 'terminated' }

export const INITIAL_SERVER_INVITE: ServerInviteState = { name: 'proceeding', answered: false }

export function stepServerInvite(
  state: ServerInviteState,
  input: ServerInviteInput,
  terms: TransactionTerms,
): ServerInviteStep {
  switch (state.name) {
    case 'proceeding':
      return proceeding(state, input, terms)
    case 'completed':
      return completed(state, input, terms)
    case 'confirmed':
      return input === 'I' ? { state: TERMINATED, effects: [] } : stay(state)
    case 'accepted':
      return accepted(state, input)
    case 'terminated':
      return stay(state)
  }
}

function proceeding(
  state: Extract<ServerInviteState, { name: 'proceeding' }>,
  input: ServerInviteInput,
  terms: TransactionTerms,
): ServerInviteStep {
  switch (input) {
    case 'repeated':
      return state.answered ? { state, effects: [{ do: 'send' }] } : stay(state)
    case 'send_provisional':
      return { state: { name: 'proceeding', answered: true }, effects: [{ do: 'send' }] }
    case 'send_success':
      return {
        state: { name: 'accepted' },
        effects: [{ do: 'send' }, { do: 'set_timer', timer: 'L', delayMs: 64 * terms.times.t1Ms }],
      }
    case 'send_failure': {
      const retransmitMs = terms.times.t1Ms
      const effects: ServerInviteEffect[] = [
        { do: 'send' },
        { do: 'set_timer', timer: 'H', delayMs: 64 * terms.times.t1Ms },
      ]
      if (!terms.reliable) effects.push({ do: 'set_timer', timer: 'G', delayMs: retransmitMs })
      return { state: { name: 'completed', retransmitMs }, effects }
    }
    case 'transport_error':
      return { state: TERMINATED, effects: [{ do: 'report', failure: 'transport' }] }
    case 'ack':
    case 'G':
    case 'H':
    case 'I':
    case 'L':
      return stay(state)
  }
}

function completed(
  state: Extract<ServerInviteState, { name: 'completed' }>,
  input: ServerInviteInput,
  terms: TransactionTerms,
): ServerInviteStep {
  const stop: readonly ServerInviteEffect[] = [
    { do: 'clear_timer', timer: 'G' },
    { do: 'clear_timer', timer: 'H' },
  ]
  switch (input) {
    case 'repeated':
      return { state, effects: [{ do: 'send' }] }
    case 'ack':
      if (terms.reliable) return { state: TERMINATED, effects: stop }
      return {
        state: { name: 'confirmed' },
        effects: [...stop, { do: 'set_timer', timer: 'I', delayMs: terms.times.t4Ms }],
      }
    case 'G': {
      const retransmitMs = Math.min(state.retransmitMs * 2, terms.times.t2Ms)
      return {
        state: { name: 'completed', retransmitMs },
        effects: [{ do: 'send' }, { do: 'set_timer', timer: 'G', delayMs: retransmitMs }],
      }
    }
    case 'H':
      return { state: TERMINATED, effects: [...stop, { do: 'report', failure: 'timeout' }] }
    case 'transport_error':
      return { state: TERMINATED, effects: [...stop, { do: 'report', failure: 'transport' }] }
    case 'send_provisional':
    case 'send_success':
    case 'send_failure':
    case 'I':
    case 'L':
      return stay(state)
  }
}

/** The user repeats its 2xx itself until the ACK, which is its own transaction; repeated INVITEs end here. */
function accepted(state: ServerInviteState, input: ServerInviteInput): ServerInviteStep {
  if (input === 'send_success') return { state, effects: [{ do: 'send' }] }
  if (input === 'ack') return { state, effects: [{ do: 'deliver' }] }
  if (input === 'L') return { state: TERMINATED, effects: [] }
  return stay(state)
}
