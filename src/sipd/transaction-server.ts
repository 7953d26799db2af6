import { TimerSet, type Clock } from './clock.ts'
import type { Flow } from './flow.ts'
import {
  INITIAL_SERVER_INVITE,
  stepServerInvite,
  type ServerInviteInput,
  type ServerInviteState,
  type ServerInviteTimer,
} from './transaction-server-invite.ts'
import {
  INITIAL_SERVER_NON_INVITE,
  stepServerNonInvite,
  type ServerNonInviteState,
} from './transaction-server-non-invite.ts'
import type { Step, TransactionTerms, TransactionTimes } from './transaction-step.ts'

export type ServerTransactionEvents = {
  failed(failure: 'timeout' | 'transport'): void
  /** Called once, last: the transaction can be forgotten. */
  ended(): void
}

type Machine =
  { readonly kind: 'invite'; state: ServerInviteState } | { readonly kind: 'non_invite'; state: ServerNonInviteState }

/** Runs one server machine: gives it messages and timers, carries out its effects. */
export class ServerTransaction {
  readonly flow: Flow
  readonly #events: ServerTransactionEvents
  readonly #terms: TransactionTerms
  readonly #timers: TimerSet<ServerInviteTimer | 'J'>
  readonly #machine: Machine
  #last: Buffer | undefined
  #finalSent = false
  #ended = false
  #whenEnded: (() => void) | undefined

  constructor(options: {
    readonly method: string
    readonly flow: Flow
    readonly times: TransactionTimes
    readonly clock: Clock
    readonly events: ServerTransactionEvents
  }) {
    this.flow = options.flow
    this.#events = options.events
    this.#terms = { reliable: options.flow.reliable, times: options.times }
    this.#timers = new TimerSet(options.clock)
    this.#machine =
      options.method === 'INVITE'
        ? { kind: 'invite', state: INITIAL_SERVER_INVITE }
        : { kind: 'non_invite', state: INITIAL_SERVER_NON_INVITE }
  }

  get finalSent(): boolean {
    return this.#finalSent
  }

  /** Tells a second listener of the end too, at once when it was before; there is one at most. */
  whenEnded(listener: () => void): void {
    if (this.#ended) listener()
    else this.#whenEnded = listener
  }

  /** The same request again: the network or the peer's timer repeated it. */
  repeated(): void {
    this.#input('repeated')
  }

  /** An ACK with the branch of the INVITE. `ofSuccess` is called when the answer was 2xx: then it belongs to the dialog. */
  ack(ofSuccess: () => void): void {
    this.#input('ack', ofSuccess)
  }

  /** Sends a response. A 2xx to INVITE may be sent again through here until its ACK comes. */
  respond(status: number, bytes: Buffer): void {
    this.#last = bytes
    if (status >= 200) this.#finalSent = true
    if (status < 200) this.#input('send_provisional')
    else if (this.#machine.kind === 'non_invite') this.#input('send_final')
    else this.#input(status < 300 ? 'send_success' : 'send_failure')
  }

  /** Forgets the transaction without an answer. */
  abandon(): void {
    this.#end()
  }

  #input(input: ServerInviteInput | 'send_final' | 'J', ofSuccess?: () => void): void {
    if (this.#ended) return
    const machine = this.#machine
    let step: Step<ServerInviteState | ServerNonInviteState, ServerInviteTimer | 'J'>
    if (machine.kind === 'invite') {
      if (input === 'send_final' || input === 'J') return
      const next = stepServerInvite(machine.state, input, this.#terms)
      machine.state = next.state
      step = next
    } else {
      if (
        input !== 'repeated' &&
        input !== 'send_provisional' &&
        input !== 'send_final' &&
        input !== 'J' &&
        input !== 'transport_error'
      )
        return
      const next = stepServerNonInvite(machine.state, input, this.#terms)
      machine.state = next.state
      step = next
    }
    this.#carryOut(step, ofSuccess)
  }

  #carryOut(
    step: Step<ServerInviteState | ServerNonInviteState, ServerInviteTimer | 'J'>,
    ofSuccess: (() => void) | undefined,
  ): void {
    for (const effect of step.effects) {
      // A send that failed at once has ended the transaction already.
      if (this.#ended) return
      switch (effect.do) {
        case 'send':
          if (this.#last !== undefined) this.flow.send(this.#last, () => this.#input('transport_error'))
          break
        case 'deliver':
          ofSuccess?.()
          break
        case 'set_timer':
          this.#timers.set(effect.timer, effect.delayMs, () => this.#input(effect.timer))
          break
        case 'clear_timer':
          this.#timers.clear(effect.timer)
          break
        case 'report':
          this.#events.failed(effect.failure)
          break
        case 'send_ack':
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
    this.#whenEnded?.()
  }
}
