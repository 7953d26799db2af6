/**
 * What the four machines have in common: a pure `step` returns the next state and effects in the order in which they
 * must happen. Clocks and sockets are in transaction-client.ts and transaction-server.ts.
 */
export type Effect<Timer extends string> =
  /** Send the request, or the last response, or the ACK of a failure, on the transaction's own flow. */
  | { readonly do: 'send' }
  | { readonly do: 'send_ack' }
  /** Give the response or request that caused this step to the transaction user. */
  | { readonly do: 'deliver' }
  | { readonly do: 'set_timer'; readonly timer: Timer; readonly delayMs: number }
  | { readonly do: 'clear_timer'; readonly timer: Timer }
  | { readonly do: 'report'; readonly failure: 'timeout' | 'transport' }

export type Step<State, Timer extends string> = { readonly state: State; readonly effects: readonly Effect<Timer>[] }

/** The base times of RFC 3261 section 17.1.1.1 and table 4. */
export type TransactionTimes = {
  /** Round-trip estimate. */
  readonly t1Ms: number
  /** Longest interval between retransmissions of a non-INVITE request and of a response to an INVITE. */
  readonly t2Ms: number
  /** How long a message can stay in the network. */
  readonly t4Ms: number
}

export const RFC_3261_TIMES: TransactionTimes = { t1Ms: 500, t2Ms: 4_000, t4Ms: 5_000 }

/** Timer D on an unreliable transport: at least 32 s whatever T1 is set to, unless T1 was made smaller for a test. */
export const timerDMs = (times: TransactionTimes): number => 64 * times.t1Ms

export type TransactionTerms = { readonly reliable: boolean; readonly times: TransactionTimes }

const NOTHING: readonly never[] = []

/** Same state, nothing to do: a late timer or a message that this state absorbs. */
export function stay<State, Timer extends string>(state: State): Step<State, Timer> {
  return { state, effects: NOTHING }
}
