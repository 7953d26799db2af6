import type { Clock, Timer } from './clock.ts'
import type { Application } from './control-server.ts'
import { parseCseq } from './envelope.ts'
import type { InboundRequest } from './inbound-request.ts'
import { valueOf, type SipResponse } from './message.ts'

/** Requests that wait for an application's final answer, by transaction id, each with its deadline. */
export class PendingAnswers {
  readonly #clock: Clock
  readonly #waiting = new Map<string, InboundRequest>()
  /** UPDATEs before the answer share the INVITE's transaction id and are told apart by method. */
  readonly #earlyUpdates = new Map<string, InboundRequest>()
  readonly #timers = new WeakMap<InboundRequest, Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(inbound: InboundRequest, options: { readonly earlyUpdate: boolean }): void {
    const table = options.earlyUpdate ? this.#earlyUpdates : this.#waiting
    table.set(inbound.transactionId, inbound)
  }

  /** Sets the deadline anew. */
  limit(inbound: InboundRequest, delayMs: number, fire: () => void): void {
    this.#timers.get(inbound)?.cancel()
    this.#timers.set(inbound, this.#clock.after(delayMs, fire))
  }

  /** The request that this response of an application answers. */
  answeredBy(transactionId: string, response: SipResponse): InboundRequest | undefined {
    const method = parseCseq(valueOf(response, 'cseq') ?? '')?.method
    const waiting = this.#waiting.get(transactionId)
    return method === 'UPDATE' ? (this.#earlyUpdates.get(transactionId) ?? waiting) : waiting
  }

  /** Takes a request that this application has not begun to answer out of here, deadline and all: it will be proxied. */
  take(application: Application, transactionId: string): InboundRequest | undefined {
    const inbound = this.#waiting.get(transactionId)
    if (inbound?.application !== application || inbound.transaction.finalSent || inbound.group !== undefined)
      return undefined
    this.remove(inbound)
    return inbound
  }

  remove(inbound: InboundRequest): void {
    this.#timers.get(inbound)?.cancel()
    const { transactionId } = inbound
    if (this.#waiting.get(transactionId) === inbound) this.#waiting.delete(transactionId)
    if (this.#earlyUpdates.get(transactionId) === inbound) this.#earlyUpdates.delete(transactionId)
  }

  all(): InboundRequest[] {
    return [...this.#waiting.values(), ...this.#earlyUpdates.values()]
  }
}
