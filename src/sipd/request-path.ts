import { isIP } from 'node:net'
import type { Dialog } from './dialog.ts'
import type { DialogGroup } from './dialog-group.ts'
import type { Address, Flow } from './flow.ts'
import { largeRequestWay, TcpRefusals } from './large-request.ts'
import { header, serialize, type SipRequest } from './message.ts'
import { nextHopOf, resolveNextHop, type NextHop } from './next-hop.ts'
import { bareRequest, insideDialog, type OutgoingRequest } from './outgoing-request.ts'
import { RequestSending, type TransactionOptions } from './request-sending.ts'
import type { SipCore } from './sip-core.ts'

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
      this.#core.records.stop('application', 'normal-release', serialize(request))
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
  reachInDialog(dialog: Dialog, hop: NextHop, go: (flow: Flow | undefined, reachable: boolean) => void): void {
    const { flow } = dialog
    if (hop.transport === 'tls' && flow.transport === 'tls' && hop.host === flow.remote.host && flow.alive?.() === true)
      go(flow, true)
    else this.reach(hop, flow.local, go)
  }

  /** Numeric addresses are reached at once, so that an ACK cannot be overtaken by the BYE behind it. */
  reach(hop: NextHop, from: Address | undefined, go: (flow: Flow | undefined, reachable: boolean) => void): void {
    const { transports, limits } = this.#core
    if (isIP(hop.host) !== 0) {
      go(transports.flowTo({ transport: hop.transport, remote: hop, from, names: hop.names }), true)
      return
    }
    void resolveNextHop(hop, limits.resolveMs).then((addresses) => {
      const { transport, names } = hop
      for (const remote of addresses) {
        const flow = transports.flowTo({ transport, remote, from, names })
        if (flow !== undefined) return go(flow, true)
      }
      const remote = { host: '0.0.0.0', port: hop.port }
      go(transports.flowTo({ transport: hop.transport, remote, from, names: hop.names }), false)
    })
  }

  /** Where the next request of a dialog goes; undefined when it names a place that sipd does not speak to. */
  dialogHop(dialog: Dialog, routeUrl: string | undefined): NextHop | undefined {
    const { uri, hop } = dialog.route()
    const next = nextHopOf({ routeUrl, route: hop, uri })
    const { peerName } = dialog.flow
    if (next?.transport !== 'tls' || isIP(next.host) === 0 || peerName === undefined) return next
    // A number in a Contact is seldom in a certificate: the name that this dialog's peer proved is as good.
    return { ...next, names: [peerName, ...(next.names ?? [])] }
  }
}
