import { isIP } from 'node:net'
import { stopReasonOf } from './call-records.ts'
import type { Dialog } from './dialog.ts'
import type { DialogGroup } from './dialog-group.ts'
import type { Address, Flow } from './flow.ts'
import { largeRequestWay, TcpRefusals } from './large-request.ts'
import { header, serialize, type SipRequest } from './message.ts'
import { nextHopOf, type NextHop } from './next-hop.ts'
import { bareRequest, insideDialog, type OutgoingRequest } from './outgoing-request.ts'
import { RequestSending, type TransactionOptions } from './request-sending.ts'
import { locateServers, type Destination } from './server-location.ts'
import type { SipCore } from './sip-core.ts'

/**
 * Where a request can go: the flow to its first server, whether that is known at all, and the flows to the others, one
 * with each call (RFC 3263 section 4.3).
 */
export type Reached = (flow: Flow | undefined, reachable: boolean, elsewhere: Elsewhere) => void

/** Undefined when the first server is the only one. */
export type Elsewhere = (() => Flow | undefined) | undefined

/** The way of requests to the network: next hop, flow, transaction; and the ACK and BYE that sipd owes by itself. */
export class RequestPath {
  readonly #core: SipCore
  readonly #refusals: TcpRefusals
  /** Those of BYEs of our own. */
  readonly #byes = new Set<Promise<void>>()

  constructor(core: SipCore) {
    this.#core = core
    this.#refusals = new TcpRefusals(core.clock)
  }

  /** Sends the ACK of a 2xx and remembers it: every repeated 2xx gets it again. */
  acknowledge(
    group: DialogGroup,
    dialog: Dialog,
    sequence: number,
    given: SipRequest,
    sent?: (flow: Flow, outgoing: OutgoingRequest, bytes: Buffer) => void,
  ): void {
    group.owedAcks.delete(dialog.remoteTag)
    const hop = this.dialogHop(dialog, undefined)
    if (hop === undefined) return
    this.reachInDialog(dialog, hop, (flow) => {
      if (flow === undefined) return
      const outgoing = insideDialog(dialog, given, { flow, contentType: [], ackSequence: sequence })
      const bytes = serialize(outgoing.request)
      const plain = { request: outgoing.request, branch: outgoing.branch, flow, bytes }
      const large = largeRequestWay(plain, { transports: this.#core.transports, refusals: this.#refusals })
      const small = (): void => flow.send(bytes, () => undefined)
      const send = (): void => (large === undefined ? small() : large.flow.send(large.bytes, small))
      group.sentAcks.set(dialog.remoteTag, { sequence, send })
      sent?.(flow, outgoing, bytes)
      send()
    })
  }

  /** A BYE of our own; returned as it was sent, for the application that is still there. */
  bye(dialog: Dialog, reason: string): SipRequest | undefined {
    const hop = this.dialogHop(dialog, undefined)
    let built: SipRequest | undefined
    if (hop === undefined) return undefined
    this.reachInDialog(dialog, hop, (flow, reachable) => {
      if (flow === undefined || !reachable) return
      const given = bareRequest('BYE', [header('Reason', `SIP;cause=200;text="${reason}"`)])
      const { request, branch } = insideDialog(dialog, given, { flow, contentType: [] })
      built = request
      const over = new Promise<void>((resolve) => {
        this.run({
          request,
          branch,
          flow,
          response: (response) => {
            if (response.status >= 200) resolve()
          },
          failed: () => resolve(),
        })
      })
      this.#byes.add(over)
      void over.then(() => this.#byes.delete(over))
      this.#core.records.stop('application', stopReasonOf(reason), serialize(request))
    })
    return built
  }

  /** Resolves when every BYE that end() sent has been answered or has timed out. */
  async settled(): Promise<void> {
    await Promise.all(this.#byes)
  }

  /** Sends a request in a transaction of its own. */
  run(options: TransactionOptions): void {
    this.create(options).start()
  }

  /** The sending of a request, not yet started. */
  create(options: TransactionOptions): RequestSending {
    return new RequestSending(this.#core, options, this.#refusals)
  }

  /**
   * The flow of a dialog's next request. A TLS peer that named itself by number is spoken to on the connection of its
   * dialog while that is open: nobody could prove the number on another (RFC 5923 section 5).
   */
  reachInDialog(dialog: Dialog, hop: NextHop, go: Reached): void {
    const { flow } = dialog
    if (hop.transport === 'tls' && flow.transport === 'tls' && hop.host === flow.remote.host && flow.alive?.() === true)
      go(flow, true, undefined)
    else this.reach(hop, flow.local, go)
  }

  /** Numeric addresses are reached at once, so that an ACK cannot be overtaken by the BYE behind it. */
  reach(hop: NextHop, from: Address | undefined, go: Reached): void {
    const { limits, location, avoided } = this.#core
    if (isIP(hop.host) !== 0) {
      go(this.#flowTo({ transport: hop.transport, remote: hop, names: hop.names }, from), true, undefined)
      return
    }
    void locateServers(hop, limits.resolveMs, location).then((found) => {
      const next = this.#inTurn(avoided.order(found), from)
      const flow = next()
      if (flow !== undefined) return go(flow, true, found.length === 1 ? undefined : next)
      // Only to tell the application which transport it would have been.
      const remote = { host: location.serves(hop.transport, 4) ? '0.0.0.0' : '::', port: hop.port }
      go(this.#flowTo({ transport: hop.transport, remote, names: hop.names }, from), false, undefined)
    })
  }

  /** Gives the flow to the next server each time, none when all were given. */
  #inTurn(servers: readonly Destination[], from: Address | undefined): () => Flow | undefined {
    let turn = 0
    return () => {
      while (turn < servers.length) {
        const server = servers[turn]
        turn += 1
        const flow = server === undefined ? undefined : this.#flowTo(server, from)
        if (flow !== undefined) return flow
      }
      return undefined
    }
  }

  #flowTo(server: Destination, from: Address | undefined): Flow | undefined {
    const { transport, remote } = server
    return this.#core.transports.flowTo({
      transport,
      remote,
      from,
      names: transport === 'tls' ? server.names : undefined,
    })
  }

  /** Where the next request of a dialog goes; undefined when it names a place that sipd does not speak to. */
  dialogHop(dialog: Dialog, routeUrl: string | undefined): NextHop | undefined {
    const { uri, hop } = dialog.route()
    const next = nextHopOf({ routeUrl, route: hop, uri })
    const { peerName } = dialog.flow
    if (next?.transport !== 'tls' || isIP(next.host) === 0 || peerName === undefined) return next
    // A number in a Contact is seldom in a certificate: the name that this dialog's peer proved is as good.
    return { ...next, names: [peerName, ...next.names] }
  }
}
