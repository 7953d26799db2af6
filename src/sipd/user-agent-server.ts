import { randomUUID } from 'node:crypto'
import { applicationHeaders, contactHeader, contentTypeHeaders } from './application-headers.ts'
import type { Timer } from './clock.ts'
import type { Application, ApplicationRequest } from './control-server.ts'
import { dialogIdOf, type DialogGroup } from './dialog-group.ts'
import { newTag, type Dialog } from './dialog.ts'
import { identityOf, parseCseq, type Envelope } from './envelope.ts'
import type { Flow } from './flow.ts'
import { networkFields, responseSentFields } from './frame-fields.ts'
import { InboundInvite, type InviteEvents } from './inbound-invite.ts'
import type { InboundRequest } from './inbound-request.ts'
import { InfoOrder } from './info-order.ts'
import { header, serialize, valueOf, type Header, type SipRequest, type SipResponse } from './message.ts'
import { tagOf, withTag } from './name-addr.ts'
import { isKnownMethod } from './request-rules.ts'
import { buildResponse } from './response-builder.ts'
import type { SipCore } from './sip-core.ts'
import { serverKey } from './transaction-table.ts'
import { ServerTransaction } from './transaction-server.ts'

/** Requests that mean nothing outside a dialog (RFC 3261 section 15.1.2, RFC 3262 section 3, RFC 3311 section 5.2). */
const DIALOG_ONLY = new Set(['BYE', 'UPDATE', 'PRACK'])

/** Methods whose answers tell the peer where to reach us in this dialog. */
const CONTACT_METHODS = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'REFER'])

/** Seconds after which a peer may try again that sent a second INVITE too early (RFC 3261 section 14.2: 0 to 10, random). */
const retryAfter = (): Header => header('Retry-After', String(Math.floor(Math.random() * 11)))

export type ServerEvents = InviteEvents & { readonly limited: (limit: 'transactions' | 'dialogs') => void }

/** The answering half: requests from the network go to an application, its answers go back. */
export class UserAgentServer {
  readonly #core: SipCore
  readonly #events: ServerEvents
  /** Requests that wait for an application's final answer, by transaction id. */
  readonly #waiting = new Map<string, InboundRequest>()
  /** UPDATEs before the answer share the INVITE's transaction id and are told apart by method. */
  readonly #earlyUpdates = new Map<string, InboundRequest>()
  /** INVITEs by the key of their transaction, for CANCEL and ACK. */
  readonly #invites = new Map<string, InboundInvite>()
  readonly #identities = new Set<string>()
  readonly #inviteOf = new WeakMap<InboundRequest, InboundInvite>()
  readonly #orders = new WeakMap<Dialog, InfoOrder>()
  readonly #answerTimers = new WeakMap<InboundRequest, Timer>()

  constructor(core: SipCore, events: ServerEvents) {
    this.#core = core
    this.#events = events
  }

  /** A request that has a valid envelope; its top Via is stamped already. `bytes` is its size on the wire. */
  receive(request: SipRequest, envelope: Envelope, options: { readonly flow: Flow; readonly bytes: number }): void {
    const { transactions, limits } = this.#core
    const inviteKey = serverKey(request, envelope, 'INVITE')
    if (request.method === 'ACK') {
      const answered = transactions.server(inviteKey)
      if (answered === undefined) this.#ackOfSuccess(request, envelope, options)
      else answered.ack(() => this.#ackOfSuccess(request, envelope, options))
      return
    }
    const key = serverKey(request, envelope, request.method)
    const existing = transactions.server(key)
    if (existing !== undefined) {
      existing.repeated()
      return
    }
    if (transactions.serverCount >= limits.transactionsMax) {
      this.#events.limited('transactions')
      options.flow.send(serialize(buildResponse(request, { status: 503, to: taggedTo(request, envelope) })), nothing)
      return
    }
    const transaction = new ServerTransaction({
      method: request.method,
      flow: options.flow,
      times: limits,
      clock: this.#core.clock,
      events: {
        failed: () => undefined,
        ended: () => {
          transactions.removeServer(key)
          this.#invites.delete(key)
          this.#identities.delete(identityOf(envelope))
        },
      },
    })
    transactions.addServer(key, transaction)
    if (request.method === 'CANCEL') this.#cancel(request, envelope, transaction, this.#invites.get(inviteKey))
    else if (envelope.toTag === '') this.#outsideDialog(request, envelope, { transaction, key, bytes: options.bytes })
    else this.#insideDialog(request, envelope, { transaction, key, bytes: options.bytes })
  }

  /** Sends an application's response; every outcome is told to the application. */
  respond(application: Application, frame: Extract<ApplicationRequest, { kind: 'sip' }>, response: SipResponse): void {
    const inbound = this.#waitingFor(frame.transactionId ?? '', response)
    if (inbound?.application !== application || inbound.transaction.finalSent) {
      application.reply(frame.id, ['NOK', 'Response not sent due to unknown transaction'])
      return
    }
    const contentType = contentTypeHeaders(response)
    if (contentType === 'missing') {
      application.reply(frame.id, ['NOK', 'Server error: missing content-type'])
      return
    }
    const { flow } = inbound.transaction
    const invite = this.#inviteOf.get(inbound)
    invite?.adoptTag(tagOf(valueOf(response, 'to') ?? ''))
    const reliable = invite?.reliably(response) === true
    const extra = applicationHeaders(response, flow).filter(
      (field) => reliable || field.key !== 'require' || field.value.toLowerCase() !== '100rel',
    )
    if (response.status > 100 && response.status < 300) {
      extra.unshift(...inbound.request.headers.filter(({ key }) => key === 'record-route'))
      if (CONTACT_METHODS.has(inbound.request.method)) extra.unshift(contactHeader(response, flow, inbound.request.uri))
    } else if (valueOf(response, 'contact') !== undefined)
      extra.unshift(...response.headers.filter(({ key }) => key === 'contact'))
    if (reliable) extra.push(invite.nextRseq())
    const built = buildResponse(inbound.request, {
      status: response.status,
      reason: response.reason,
      to:
        response.status === 100
          ? (valueOf(inbound.request, 'to') ?? '')
          : (invite?.to ?? taggedTo(inbound.request, inbound.envelope, valueOf(response, 'to'))),
      headers: [...extra, ...contentType],
      body: response.body,
    })
    const bytes = serialize(built)
    this.#answered(inbound, response.status)
    const dialogId = invite?.dialogId ?? (inbound.request.method === 'BYE' ? '' : (inbound.group?.id ?? ''))
    application.reply(
      frame.id,
      responseSentFields(bytes.length, flow, { transactionId: inbound.transactionId, dialogId }),
      bytes,
    )
    if (invite === undefined) inbound.transaction.respond(response.status, bytes)
    else this.#sendOnInvite(invite, built, bytes, reliable)
  }

  /** The application is gone: its requests are answered for it. INVITEs wait for the grace, others have no time. */
  release(application: Application, what: 'invites' | 'others'): void {
    for (const inbound of this.#unanswered()) {
      if (inbound.application === application && this.#inviteOf.has(inbound) === (what === 'invites'))
        this.#giveUp(inbound)
    }
  }

  releaseAll(): void {
    for (const inbound of this.#unanswered()) this.#giveUp(inbound)
  }

  #unanswered(): InboundRequest[] {
    return [...this.#waiting.values(), ...this.#earlyUpdates.values()]
  }

  #giveUp(inbound: InboundRequest): void {
    const invite = this.#inviteOf.get(inbound)
    this.#answered(inbound, 503)
    if (invite === undefined) this.#refuse(inbound.transaction, inbound.request, inbound.envelope, 503)
    else invite.refuse(503)
  }

  #outsideDialog(request: SipRequest, envelope: Envelope, context: RequestContext): void {
    const { control, dialogs, limits } = this.#core
    const refuse = (status: number): void => this.#refuse(context.transaction, request, envelope, status)
    if (DIALOG_ONLY.has(request.method)) return refuse(481)
    // An OPTIONS that may not be forwarded is meant for us (RFC 3261 section 16.3).
    if (envelope.maxForwards === 0 && request.method !== 'OPTIONS') return refuse(483)
    const invite = request.method === 'INVITE'
    if (invite) this.#trying(context.transaction, request)
    if (invite && this.#isMerged(envelope)) return refuse(482)
    if (invite && dialogs.size >= limits.dialogsMax) {
      this.#events.limited('dialogs')
      return refuse(503)
    }
    const application = control.choose(request.method.toLowerCase())
    if (application === undefined) return refuse(isKnownMethod(request.method) ? 503 : 501)
    const inbound: InboundRequest = {
      transactionId: randomUUID(),
      application,
      request,
      envelope,
      transaction: context.transaction,
      group: undefined,
    }
    if (invite) {
      this.#track(context.key, inbound)
      this.#core.records.attempt('network', serialize(request))
    }
    this.#give(inbound, context.bytes)
  }

  /** In the order of their CSeq numbers, as far as an INFO can wait for it. */
  #insideDialog(request: SipRequest, envelope: Envelope, context: RequestContext): void {
    const dialog = this.#core.dialogs.byLocalTag(envelope.callId, envelope.toTag)?.forks.get(envelope.fromTag)
    if (dialog === undefined) return this.#takeInDialog(request, envelope, context)
    const order = this.#orderOf(dialog)
    const { number } = envelope.cseq
    const pass = (): void => this.#takeInDialog(request, envelope, context)
    if (request.method === 'INFO' && order.keep(number, { lastSequence: dialog.remoteSequence, pass })) return
    order.passUpTo(number - 1)
    pass()
    order.passUpTo(dialog.remoteSequence + 1)
  }

  #takeInDialog(request: SipRequest, envelope: Envelope, context: RequestContext): void {
    const refuse = (status: number, headers: readonly Header[] = []): void =>
      this.#refuse(context.transaction, request, envelope, status, headers)
    const group = this.#core.dialogs.byLocalTag(envelope.callId, envelope.toTag)
    const dialog = group?.forks.get(envelope.fromTag)
    if (group === undefined || dialog === undefined || group.application.gone) return refuse(481)
    if (envelope.cseq.number < dialog.remoteSequence) return refuse(500)
    dialog.remoteSequence = envelope.cseq.number
    if (request.method === 'PRACK' && group.peerInvite?.prack(valueOf(request, 'rack') ?? '') !== true)
      return refuse(481)
    let early = false
    if (request.method === 'INVITE') {
      this.#trying(context.transaction, request)
      if (group.peerInvite?.pending === true) return refuse(500, [retryAfter()])
      if (group.invitePending) return refuse(491)
      group.peerInvite?.stop()
      dialog.refreshTarget(request)
    } else if (request.method === 'UPDATE') {
      dialog.refreshTarget(request)
      early = group.peerInvite?.pending === true
    } else if (request.method === 'BYE') this.#hangUp(group, request)
    const transactionId = early && group.peerInvite !== undefined ? group.peerInvite.transactionId : randomUUID()
    const inbound: InboundRequest = {
      transactionId,
      application: group.application,
      request,
      envelope,
      transaction: context.transaction,
      group,
    }
    if (request.method === 'INVITE') group.peerInvite = this.#track(context.key, inbound)
    if (early) this.#earlyUpdates.set(transactionId, inbound)
    this.#give(inbound, context.bytes)
  }

  /** The peer ends the dialog: nothing is repeated any more, and an unanswered INVITE is over (RFC 3261 section 15.1.2). */
  #hangUp(group: DialogGroup, bye: SipRequest): void {
    group.peerInvite?.stop()
    if (group.peerInvite?.pending === true) group.peerInvite.refuse(487)
    group.active.state = 'ended'
    this.#core.dialogs.remove(group)
    this.#core.records.stop('network', 'normal-release', serialize(bye))
  }

  #cancel(
    request: SipRequest,
    envelope: Envelope,
    transaction: ServerTransaction,
    invite: InboundInvite | undefined,
  ): void {
    if (invite === undefined) {
      // The INVITE may be known although no application was given it; then there is nothing left to cancel.
      const known = this.#core.transactions.server(serverKey(request, envelope, 'INVITE')) !== undefined
      this.#refuse(transaction, request, envelope, known ? 200 : 481)
      return
    }
    transaction.respond(200, serialize(buildResponse(request, { status: 200, to: invite.to })))
    if (!invite.pending) return
    const { inbound } = invite
    const bytes = serialize(request)
    inbound.application.push(
      networkFields({
        source: 'network',
        bytes: bytes.length,
        flow: transaction.flow,
        transactionId: inbound.transactionId,
        dialogId: undefined,
      }),
      bytes,
    )
    this.#answered(inbound, 487)
    invite.refuse(487)
    if (inbound.group === undefined) this.#core.records.stop('network', 'call-canceled', bytes)
  }

  #ackOfSuccess(
    request: SipRequest,
    envelope: Envelope,
    options: { readonly flow: Flow; readonly bytes: number },
  ): void {
    const group = this.#core.dialogs.byLocalTag(envelope.callId, envelope.toTag)
    const invite = group?.peerInvite
    if (group === undefined || invite === undefined || !group.forks.has(envelope.fromTag)) return
    if (invite.ack(envelope.cseq.number) !== 'first') return
    // The first ACK carries the transaction id of its INVITE, that of a re-INVITE a new one.
    const first = invite instanceof InboundInvite && invite.inbound.group === undefined
    const transactionId = first ? invite.transactionId : randomUUID()
    group.application.push(
      networkFields({ source: 'network', bytes: options.bytes, flow: options.flow, transactionId, dialogId: group.id }),
      serialize(request),
    )
  }

  #track(key: string, inbound: InboundRequest): InboundInvite {
    const invite = new InboundInvite(this.#core, inbound, this.#events)
    this.#invites.set(key, invite)
    this.#identities.add(identityOf(inbound.envelope))
    this.#inviteOf.set(inbound, invite)
    return invite
  }

  #give(inbound: InboundRequest, bytes: number): void {
    if (!this.#earlyUpdates.has(inbound.transactionId)) this.#waiting.set(inbound.transactionId, inbound)
    this.#limitAnswer(inbound, this.#core.limits.applicationAnswerMs, 504)
    inbound.application.push(
      networkFields({
        source: 'network',
        bytes,
        flow: inbound.transaction.flow,
        transactionId: inbound.transactionId,
        dialogId: inbound.group?.id,
      }),
      serialize(inbound.request),
    )
  }

  /** An application that does not answer must not hold a transaction for ever. */
  #limitAnswer(inbound: InboundRequest, delayMs: number, status: 408 | 504): void {
    this.#answerTimers.get(inbound)?.cancel()
    const timer = this.#core.clock.after(delayMs, () => {
      this.#answered(inbound, status)
      const invite = this.#inviteOf.get(inbound)
      // The peer of another request has given up by now, and must not be told 408 (RFC 4320 section 4.2).
      if (invite === undefined) inbound.transaction.abandon()
      else invite.refuse(status)
    })
    this.#answerTimers.set(inbound, timer)
  }

  #answered(inbound: InboundRequest, status: number): void {
    if (status < 200) {
      if (this.#inviteOf.has(inbound)) this.#limitAnswer(inbound, this.#core.limits.ringingMs, 408)
      return
    }
    this.#answerTimers.get(inbound)?.cancel()
    if (this.#waiting.get(inbound.transactionId) === inbound) this.#waiting.delete(inbound.transactionId)
    if (this.#earlyUpdates.get(inbound.transactionId) === inbound) this.#earlyUpdates.delete(inbound.transactionId)
  }

  #sendOnInvite(invite: InboundInvite, response: SipResponse, bytes: Buffer, reliable: boolean): void {
    invite.send(response, bytes, { reliable })
    if (invite.inbound.group !== undefined || response.status < 200) return
    if (response.status < 300) this.#core.records.start('application', 'uas', bytes)
    else this.#core.records.stop('application', 'call-rejected', bytes)
  }

  #waitingFor(transactionId: string, response: SipResponse): InboundRequest | undefined {
    const method = parseCseq(valueOf(response, 'cseq') ?? '')?.method
    return method === 'UPDATE'
      ? (this.#earlyUpdates.get(transactionId) ?? this.#waiting.get(transactionId))
      : this.#waiting.get(transactionId)
  }

  /** The same INVITE again by another path, or one of our own that came back (RFC 3261 section 8.2.2.2). */
  #isMerged(envelope: Envelope): boolean {
    return (
      this.#identities.has(identityOf(envelope)) ||
      this.#core.dialogs.isTaken(dialogIdOf(envelope.callId, envelope.fromTag))
    )
  }

  #orderOf(dialog: Dialog): InfoOrder {
    const known = this.#orders.get(dialog)
    if (known !== undefined) return known
    const order = new InfoOrder({ clock: this.#core.clock, t1Ms: this.#core.limits.t1Ms })
    this.#orders.set(dialog, order)
    return order
  }

  #trying(transaction: ServerTransaction, request: SipRequest): void {
    transaction.respond(100, serialize(buildResponse(request, { status: 100 })))
  }

  #refuse(
    transaction: ServerTransaction,
    request: SipRequest,
    envelope: Envelope,
    status: number,
    headers: readonly Header[] = [],
  ): void {
    transaction.respond(status, serialize(buildResponse(request, { status, to: taggedTo(request, envelope), headers })))
  }
}

type RequestContext = { readonly transaction: ServerTransaction; readonly key: string; readonly bytes: number }

/** The To value with the tag that it has, that the application chose, or a new one. */
function taggedTo(request: SipRequest, envelope: Envelope, applicationTo?: string): string {
  const to = valueOf(request, 'to') ?? ''
  if (envelope.toTag !== '') return to
  return withTag(to, (applicationTo === undefined ? undefined : tagOf(applicationTo)) ?? newTag())
}

const nothing = (): void => undefined
