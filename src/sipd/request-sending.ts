import type { Flow } from './flow.ts'
import { largeRequestWay, type RequestWay, type TcpRefusals } from './large-request.ts'
import { serialize, type SipRequest, type SipResponse } from './message.ts'
import type { SipCore } from './sip-core.ts'
import { ClientTransaction } from './transaction-client.ts'

/** A request that is ready to go, and who hears of it. */
export type TransactionOptions = {
  readonly request: SipRequest
  readonly branch: string
  readonly flow: Flow
  readonly response: (response: SipResponse) => void
  readonly failed: (failure: 'timeout' | 'transport') => void
}

/**
 * The sending of one request. A large one for UDP is tried by TCP first, and goes by UDP after all when TCP cannot
 * reach the peer (RFC 3261 section 18.1.1); that takes a transaction for each.
 */
export class RequestSending {
  readonly #core: SipCore
  readonly #options: TransactionOptions
  readonly #refusals: TcpRefusals
  #way: RequestWay
  #transaction: ClientTransaction
  #answered = false
  #over = false

  /** Nothing is sent before start(). */
  constructor(core: SipCore, options: TransactionOptions, refusals: TcpRefusals) {
    this.#core = core
    this.#options = options
    this.#refusals = refusals
    const { request, branch, flow } = options
    const plain: RequestWay = { request, branch, flow, bytes: serialize(request) }
    const large = largeRequestWay(plain, { transports: core.transports, refusals })
    this.#way = large ?? plain
    this.#transaction = this.#open(this.#way, large === undefined ? undefined : plain)
  }

  /** What goes out, and where; changes when TCP failed. */
  get way(): RequestWay {
    return this.#way
  }

  get flow(): Flow {
    return this.#way.flow
  }

  start(): void {
    this.#transaction.start()
  }

  /** Gives up without telling anybody. */
  abandon(): void {
    this.#over = true
    this.#transaction.abandon()
  }

  #open(way: RequestWay, instead: RequestWay | undefined): ClientTransaction {
    const { transactions, limits, clock } = this.#core
    const transaction = new ClientTransaction({
      request: way.request,
      bytes: way.bytes,
      flow: way.flow,
      times: limits,
      clock,
      events: {
        response: (response) => {
          this.#answered = true
          this.#options.response(response)
        },
        failed: (failure) => {
          if (instead === undefined || failure !== 'transport' || this.#answered || this.#over)
            return this.#options.failed(failure)
          this.#refusals.note(way.flow.remote)
          // The failed transaction has to leave the table first: both have the same branch.
          queueMicrotask(() => this.#again(instead))
        },
        ended: () => transactions.removeClient(way.branch, way.request.method),
      },
    })
    transactions.addClient(way.branch, way.request.method, transaction)
    return transaction
  }

  #again(way: RequestWay): void {
    if (this.#over) return
    this.#way = way
    this.#transaction = this.#open(way, undefined)
    this.#transaction.start()
  }
}
