import type { Timer } from './clock.ts'
import type { Flow } from './flow.ts'
import { largeRequestWay, type RequestWay, type TcpRefusals } from './large-request.ts'
import { serialize, type SipRequest, type SipResponse } from './message.ts'
import type { SipCore } from './sip-core.ts'
import { ClientTransaction } from './transaction-client.ts'

/** A request that is ready to go, and who hears of it. */
export type TransactionOptions = Attempt & {
  /** The same request for the next server; undefined when all were tried. */
  readonly elsewhere?: (() => Attempt | undefined) | undefined
  /** It went to another server, which has not answered yet. */
  readonly moved?: () => void
  readonly response: (response: SipResponse) => void
  readonly failed: (failure: 'timeout' | 'transport') => void
}

/** A request with the branch of its top Via, and where it goes. */
export type Attempt = { readonly request: SipRequest; readonly branch: string; readonly flow: Flow }

/** Servers that one request is tried at; a caller does not wait for more. */
const ATTEMPTS_MAX = 8

/** No other server is tried after two times 64 * T1: the first that was silent, and one more. */
const MOVING_T1 = 2 * 64

/**
 * The sending of one request. A large one for UDP is tried by TCP first, and goes by UDP after all when TCP cannot
 * reach the peer (RFC 3261 section 18.1.1). A server that is silent, cannot be reached or answers 503 is followed by
 * the next one, as long as none has rung (RFC 3263 section 4.3). Each try is a transaction of its own.
 */
export class RequestSending {
  readonly #core: SipCore
  readonly #options: TransactionOptions
  readonly #refusals: TcpRefusals
  #way: RequestWay
  #transaction: ClientTransaction
  #answered = false
  #over = false
  #attempts = 1
  /** The request stays where it is. */
  #settled: boolean
  #patience: Timer | undefined

  /** Nothing is sent before start(). */
  constructor(core: SipCore, options: TransactionOptions, refusals: TcpRefusals) {
    this.#core = core
    this.#options = options
    this.#refusals = refusals
    this.#settled = options.elsewhere === undefined
    const { way, instead } = this.#waysOf(options)
    this.#way = way
    this.#transaction = this.#open(way, instead)
  }

  /** What goes out, and where; changes when TCP failed and when the request moves to another server. */
  get way(): RequestWay {
    return this.#way
  }

  get flow(): Flow {
    return this.#way.flow
  }

  start(): void {
    if (!this.#settled)
      this.#patience = this.#core.clock.after(MOVING_T1 * this.#core.limits.t1Ms, () => (this.#settled = true))
    this.#transaction.start()
  }

  /** No other server is tried any more: the request is cancelled. */
  settle(): void {
    this.#settled = true
    this.#patience?.cancel()
  }

  /** Gives up without telling anybody. */
  abandon(): void {
    this.#over = true
    this.settle()
    this.#transaction.abandon()
  }

  #waysOf(attempt: Attempt): { readonly way: RequestWay; readonly instead: RequestWay | undefined } {
    const { request, branch, flow } = attempt
    const plain: RequestWay = { request, branch, flow, bytes: serialize(request) }
    const large = largeRequestWay(plain, { transports: this.#core.transports, refusals: this.#refusals })
    return large === undefined ? { way: plain, instead: undefined } : { way: large, instead: plain }
  }

  #open(way: RequestWay, instead: RequestWay | undefined): ClientTransaction {
    const { transactions, limits, clock, avoided } = this.#core
    const server = { transport: way.flow.transport, remote: way.flow.remote }
    const transaction = new ClientTransaction({
      request: way.request,
      bytes: way.bytes,
      flow: way.flow,
      times: limits,
      clock,
      events: {
        response: (response) => {
          this.#answered = true
          if (response.status === 503) {
            avoided.refused(server, response)
            if (this.#moves()) return
          }
          if (response.status > 100) this.settle()
          this.#options.response(response)
        },
        failed: (failure) => {
          if (instead === undefined || failure !== 'transport' || this.#answered || this.#over) {
            avoided.failed(server)
            if (this.#moves()) return
            this.settle()
            this.#options.failed(failure)
            return
          }
          this.#refusals.note(way.flow.remote)
          // The failed transaction has to leave the table first: both have the same branch.
          queueMicrotask(() => this.#again({ way: instead, instead: undefined }))
        },
        ended: () => transactions.removeClient(way.branch, way.request.method),
      },
    })
    transactions.addClient(way.branch, way.request.method, transaction)
    return transaction
  }

  /** True when the request goes to another server now, and nobody has to hear of this one. */
  #moves(): boolean {
    if (this.#settled || this.#over || this.#attempts === ATTEMPTS_MAX) return false
    const attempt = this.#options.elsewhere?.()
    if (attempt === undefined) return false
    this.#attempts += 1
    this.#answered = false
    this.#options.moved?.()
    // Between the decision and the sending a CANCEL finds the request unsent and unanswered, and waits.
    queueMicrotask(() => this.#again(this.#waysOf(attempt)))
    return true
  }

  #again(ways: { readonly way: RequestWay; readonly instead: RequestWay | undefined }): void {
    if (this.#over) return
    this.#way = ways.way
    this.#transaction = this.#open(ways.way, ways.instead)
    this.#transaction.start()
  }
}
