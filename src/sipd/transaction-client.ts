import type { Clock } from './clock.ts'
import { TimerSet } from './clock.ts'
import type { Flow } from './flow.ts'
import { EMPTY_BODY, header, listOf, serialize, valueOf, type SipRequest, type SipResponse } from './message.ts'
import {
  initialClientInvite,
  stepClientInvite,
  type ClientInviteState,
  type ClientInviteTimer,
} from './transaction-client-invite.ts'
import {
  initialClientNonInvite,
  stepClientNonInvite,
  type ClientNonInviteState,
  type ClientNonInviteTimer,
} from './transaction-client-non-invite.ts'
import type { Step, TransactionTerms, TransactionTimes } from './transaction-step.ts'

export type ClientTransactionEvents = {
  response(response: SipResponse): void
  /** No final answer will come: the peer was silent for 64 * T1, or could not be reached. */
  failed(failure: 'timeout' | 'transport'): void
  /** Called once, last: the transaction can be forgotten. */
  ended(): void
}

type Machine =
  { readonly kind: 'invite'; state: ClientInviteState } | { readonly kind: 'non_invite'; state: ClientNonInviteState }

/** Runs one client machine: gives it messages and timers, carries out its effects. */
export class ClientTransaction {
  readonly request: SipRequest
  readonly flow: Flow
  readonly #bytes: Buffer
  readonly #events: ClientTransactionEvents
  readonly #terms: TransactionTerms
  readonly #timers: TimerSet<ClientInviteTimer | ClientNonInviteTimer>
  readonly #machine: Machine
  #ack: Buffer | undefined
  #ended = false

  constructor(options: {
    readonly request: SipRequest
    readonly bytes: Buffer
    readonly flow: Flow
    readonly times: TransactionTimes
    readonly clock: Clock
    readonly events: ClientTransactionEvents
  }) {
    this.request = options.request
    this.flow = options.flow
    this.#bytes = options.bytes
    this.#events = options.events
    this.#terms = { reliable: options.flow.reliable, times: options.times }
    this.#timers = new TimerSet(options.clock)
    this.#machine =
      options.request.method === 'INVITE'
        ? { kind: 'invite', state: initialClientInvite(this.#terms) }
        : { kind: 'non_invite', state: initialClientNonInvite(this.#terms) }
  }

  get ended(): boolean {
    return this.#ended
  }

  start(): void {
    this.#input('start', undefined)
  }

  receive(response: SipResponse): void {
    const kind =
      response.status < 200
        ? 'provisional'
        : this.#machine.kind === 'non_invite'
          ? 'final'
          : response.status < 300
            ? 'success'
            : 'failure'
    this.#input(kind, response)
  }

  /** Gives up without telling anybody. */
  abandon(): void {
    this.#end()
  }

  #input(
    input:
      | 'start'
      | 'provisional'
      | 'final'
      | 'success'
      | 'failure'
      | ClientInviteTimer
      | ClientNonInviteTimer
      | 'transport_error',
    response: SipResponse | undefined,
  ): void {
    if (this.#ended) return
    const machine = this.#machine
    let step: Step<ClientInviteState | ClientNonInviteState, ClientInviteTimer | ClientNonInviteTimer>
    if (machine.kind === 'invite') {
      if (input === 'final' || input === 'E' || input === 'F' || input === 'K') return
      const next = stepClientInvite(machine.state, input, this.#terms)
      machine.state = next.state
      step = next
    } else {
      if (
        input === 'success' ||
        input === 'failure' ||
        input === 'A' ||
        input === 'B' ||
        input === 'D' ||
        input === 'M'
      )
        return
      const next = stepClientNonInvite(machine.state, input, this.#terms)
      machine.state = next.state
      step = next
    }
    this.#carryOut(step, response)
  }

  #carryOut(
    step: Step<ClientInviteState | ClientNonInviteState, ClientInviteTimer | ClientNonInviteTimer>,
    response: SipResponse | undefined,
  ): void {
    for (const effect of step.effects) {
      // A send that failed at once has ended the transaction already.
      if (this.#ended) return
      switch (effect.do) {
        case 'send':
          this.flow.send(this.#bytes, () => this.#input('transport_error', undefined))
          break
        case 'send_ack':
          if (response !== undefined) this.#ack = serialize(ackOfFailure(this.request, response))
          if (this.#ack !== undefined) this.flow.send(this.#ack, () => this.#input('transport_error', undefined))
          break
        case 'deliver':
          if (response !== undefined) this.#events.response(response)
          break
        case 'set_timer':
          this.#timers.set(effect.timer, effect.delayMs, () => this.#input(effect.timer, undefined))
          break
        case 'clear_timer':
          this.#timers.clear(effect.timer)
          break
        case 'report':
          this.#events.failed(effect.failure)
          break
      }
    }
    if (step.state.name === 'terminated') this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#timers.clearAll()
    this.#events.ended()
  }
}

/** The ACK for 3xx to 6xx is part of the transaction: same branch, same R-URI and Route, To of the response (section 17.1.1.3). */
function ackOfFailure(request: SipRequest, response: SipResponse): SipRequest {
  return withinTransaction(request, 'ACK', valueOf(response, 'to') ?? valueOf(request, 'to') ?? '')
}

/** A CANCEL copies what identifies its INVITE, To without a tag included (section 9.1). */
export function cancelOf(request: SipRequest): SipRequest {
  return withinTransaction(request, 'CANCEL', valueOf(request, 'to') ?? '')
}

function withinTransaction(request: SipRequest, method: 'ACK' | 'CANCEL', to: string): SipRequest {
  const sequence = (valueOf(request, 'cseq') ?? '').split(' ')[0] ?? ''
  return {
    kind: 'request',
    method,
    uri: request.uri,
    headers: [
      header('Via', listOf(request, 'via')[0] ?? ''),
      ...request.headers.filter(({ key }) => key === 'route'),
      header('Max-Forwards', '70'),
      header('From', valueOf(request, 'from') ?? ''),
      header('To', to),
      header('Call-ID', valueOf(request, 'call-id') ?? ''),
      header('CSeq', `${sequence} ${method}`),
    ],
    body: EMPTY_BODY,
  }
}
