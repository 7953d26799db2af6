import type { Application, ApplicationRequest } from './control-server.ts'
import type { Envelope } from './envelope.ts'
import type { Flow } from './flow.ts'
import { copyForTarget, isLoop, loopDigest, onFlow } from './forwarded-request.ts'
import type { InboundRequest } from './inbound-request.ts'
import { serialize, type SipRequest } from './message.ts'
import { ProxyContext } from './proxy-context.ts'
import { parseProxyOrder, type ProxyOrder } from './proxy-order.ts'
import { RecordRoute } from './record-route.ts'
import { RequestPath } from './request-path.ts'
import { buildResponse, taggedTo } from './response-builder.ts'
import type { SipCore } from './sip-core.ts'
import { serverKey } from './transaction-table.ts'
import { ServerTransaction } from './transaction-server.ts'

/** A later request in a proxied dialog follows its Route set; no application is asked (RFC 3261 section 16.12). */
const ALONG_THE_ROUTE: Omit<ProxyOrder, 'destinations'> = {
  remainInDialog: false,
  fullResponse: false,
  followRedirects: false,
  simultaneous: false,
  provisionalMs: undefined,
  finalMs: undefined,
}

/** The proxy that applications drive (RFC 3261 section 16): what they hand over, and what follows in its dialogs. */
export class Proxies {
  readonly #core: SipCore
  readonly #path: RequestPath
  readonly #take: (application: Application, transactionId: string) => InboundRequest | undefined
  /** Requests without a final answer, by the key of their transaction, for CANCEL. */
  readonly #contexts = new Map<string, ProxyContext>()
  readonly recordRoute: RecordRoute

  constructor(
    core: SipCore,
    /** Takes a request from the application that was to answer it. */
    take: (application: Application, transactionId: string) => InboundRequest | undefined,
  ) {
    this.#core = core
    this.#path = new RequestPath(core)
    this.#take = take
    this.recordRoute = new RecordRoute((host, port) => core.transports.isOurs(host, port))
  }

  /** A proxy frame; `given` is the request that it carries, for its headers. Every outcome is told to the application. */
  order(application: Application, frame: Extract<ApplicationRequest, { kind: 'proxy' }>, given: SipRequest): void {
    const order = parseProxyOrder(frame.fields)
    if (order === undefined) return application.reply(frame.id, ['NOK', 'Server error: invalid proxy request'])
    const inbound = this.#take(application, frame.transactionId)
    if (inbound === undefined)
      return application.reply(frame.id, ['NOK', 'Server error: unable to find transaction to proxy'])
    const { request, envelope, transaction } = inbound
    const { transports } = this.#core
    const loop = isLoop(request, loopDigest(request), (host, port) => transports.isOurs(host, port))
    if (loop || envelope.maxForwards === 0) {
      const status = loop ? 482 : 483
      transaction.respond(status, serialize(buildResponse(request, { status, to: taggedTo(request, envelope) })))
      return application.reply(frame.id, ['OK', 'done'])
    }
    const listener = { application, frameId: frame.id }
    this.#begin({ request, envelope, transaction, order, given: given.headers, listener })
  }

  /**
   * A request from the network; `proxied` when it came by a Record-Route entry of ours. False when it is not one of the
   * proxy's, and the user agent has to see to it.
   */
  receive(
    request: SipRequest,
    envelope: Envelope,
    context: { readonly flow: Flow; readonly proxied: boolean },
  ): boolean {
    const { transactions } = this.#core
    // Nearly every request: nothing is proxied, or this does not belong to it.
    if (!context.proxied && (request.method !== 'CANCEL' || this.#contexts.size === 0)) return false
    const inviteKey = serverKey(request, envelope, 'INVITE')
    const cancelled = request.method === 'CANCEL' ? this.#contexts.get(inviteKey) : undefined
    const key = serverKey(request, envelope, request.method)
    if (transactions.server(key) !== undefined) return false
    if (cancelled !== undefined) {
      const transaction = this.#serverTransaction(request, envelope, context.flow)
      transaction.respond(200, serialize(buildResponse(request, { status: 200, to: taggedTo(request, envelope) })))
      cancelled.cancel()
      return true
    }
    if (!context.proxied || envelope.toTag === '' || request.method === 'CANCEL') return false
    // The ACK of a failure belongs to the transaction that sent it.
    if (request.method === 'ACK' && transactions.server(inviteKey) !== undefined) return false
    if (request.method === 'ACK') this.#forwardAck(request, envelope)
    else this.#forward(request, envelope, context.flow)
    return true
  }

  /** The server closes: what is open is cancelled and answered. */
  close(): void {
    for (const context of [...this.#contexts.values()]) context.close()
  }

  #forward(request: SipRequest, envelope: Envelope, flow: Flow): void {
    const { transactions, limits } = this.#core
    const refusal =
      envelope.maxForwards === 0 ? 483 : transactions.serverCount >= limits.transactionsMax ? 503 : undefined
    const transaction = this.#serverTransaction(request, envelope, flow)
    if (refusal !== undefined) {
      const response = buildResponse(request, { status: refusal, to: taggedTo(request, envelope) })
      return transaction.respond(refusal, serialize(response))
    }
    if (request.method === 'INVITE') transaction.respond(100, serialize(buildResponse(request, { status: 100 })))
    const order = { ...ALONG_THE_ROUTE, destinations: [request.uri] }
    this.#begin({ request, envelope, transaction, order, given: [], listener: undefined })
  }

  /** An ACK has no answer: it is passed on and forgotten (RFC 3261 section 16.11). */
  #forwardAck(request: SipRequest, envelope: Envelope): void {
    if (envelope.maxForwards === 0) return
    const { request: copy, hop } = copyForTarget(request, request.uri, [])
    if (hop === undefined) return
    this.#path.reach(hop, undefined, (flow, reachable) => {
      if (flow === undefined || !reachable) return
      const sent = onFlow(copy, flow, { loop: loopDigest(request), recordRoute: [] })
      flow.send(serialize(sent.request), () => undefined)
    })
  }

  #begin(options: ConstructorParameters<typeof ProxyContext>[2]): void {
    const { request, envelope, transaction } = options
    const key = serverKey(request, envelope, request.method)
    const context = new ProxyContext(this.#core, { path: this.#path, recordRoute: this.recordRoute }, options)
    this.#contexts.set(key, context)
    transaction.whenEnded(() => {
      if (this.#contexts.get(key) === context) this.#contexts.delete(key)
    })
    context.start()
  }

  #serverTransaction(request: SipRequest, envelope: Envelope, flow: Flow): ServerTransaction {
    const { transactions, limits, clock } = this.#core
    const key = serverKey(request, envelope, request.method)
    const transaction = new ServerTransaction({
      method: request.method,
      flow,
      times: limits,
      clock,
      events: { failed: () => undefined, ended: () => transactions.removeServer(key) },
    })
    transactions.addServer(key, transaction)
    return transaction
  }
}
