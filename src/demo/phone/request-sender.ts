import { ClientTransaction } from './client-transaction.ts'
import type { RequestOutcome } from './phone-protocol.ts'
import { branchOf, sameTransaction, sequenceOf, transactionKey } from './sip-fields.ts'
import { formatSip, headerOf, type Peer, type SipRequest, type SipResponse } from './sip-text.ts'

/** The client side of all transactions of one phone (RFC 3261 section 17.1): what it asked, and who waits for which answer. */
export class RequestSender {
  readonly #send: (datagram: Buffer, to: Peer) => void
  readonly #transactions = new Map<string, ClientTransaction>()
  /** The ACK of our last refused INVITE, given again when that refusal is heard again. */
  #lastRefusal: { readonly branch: string; readonly acknowledge: () => void } | undefined

  constructor(send: (datagram: Buffer, to: Peer) => void) {
    this.#send = send
  }

  /** Sends a request until it is answered; onFinal is called once, with undefined when nothing came in time. */
  start(
    request: SipRequest,
    peer: Peer,
    handlers: {
      readonly provisionalMs?: number
      readonly onProvisional: (response: SipResponse) => void
      readonly onFinal: (response: SipResponse | undefined) => void
    },
  ): ClientTransaction {
    const bytes = formatSip(request)
    const key = transactionKey(request)
    const transaction = new ClientTransaction({
      request,
      send: () => this.#send(bytes, peer),
      ...handlers,
      onFinal: (response) => {
        this.#transactions.delete(key)
        handlers.onFinal(response)
      },
    })
    this.#transactions.set(key, transaction)
    return transaction
  }

  /** Sends a request and waits for its final answer. */
  ask(request: SipRequest, peer: Peer): Promise<RequestOutcome> {
    return new Promise((resolve) => {
      this.start(request, peer, {
        onProvisional: () => undefined,
        onFinal: (response) => {
          if (response === undefined) resolve({ kind: 'unanswered' })
          else if (response.status < 300) resolve({ kind: 'done', status: response.status })
          else resolve({ kind: 'refused', status: response.status, reason: response.reason })
        },
      })
    })
  }

  /** Takes one response. False when nobody here waited for it: it may be a 2xx heard again, which its dialog answers. */
  receive(response: SipResponse): boolean {
    const branch = branchOf(response)
    const method = sequenceOf(response)?.method
    if (branch === undefined || method === undefined) return true
    const transaction = this.#transactions.get(`${branch} ${method}`)
    if (transaction !== undefined) {
      transaction.receive(response)
      return true
    }
    if (this.#lastRefusal?.branch !== branch || response.status < 300) return false
    this.#lastRefusal.acknowledge()
    return true
  }

  /** The ACK of a refusal belongs to the INVITE's own transaction (RFC 3261 section 17.1.1.3). */
  acknowledgeRefusal(invite: SipRequest, response: SipResponse, peer: Peer): void {
    const bytes = formatSip(sameTransaction(invite, 'ACK', headerOf(response, 'to') ?? ''))
    const acknowledge = (): void => this.#send(bytes, peer)
    this.#lastRefusal = { branch: branchOf(invite) ?? '', acknowledge }
    acknowledge()
  }

  /** Sends one CANCEL, however often it is asked for. */
  cancel(invite: SipRequest, peer: Peer): void {
    const request = sameTransaction(invite, 'CANCEL', headerOf(invite, 'to') ?? '')
    if (this.#transactions.has(transactionKey(request))) return
    void this.ask(request, peer)
  }

  /** Forgets all that waits. Safe to call twice. */
  close(): void {
    for (const transaction of this.#transactions.values()) transaction.close()
    this.#transactions.clear()
  }
}
