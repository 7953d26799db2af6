import { randomUUID } from 'node:crypto'
import { answerFor } from './application-answer.ts'
import { contentTypeHeaders } from './application-headers.ts'
import type { Application, ApplicationRequest } from './control-server.ts'
import { answerInDialog } from './dialog-admission.ts'
import { DialogGroup, dialogIdOf } from './dialog-group.ts'
import { Dialog } from './dialog.ts'
import type { Envelope } from './envelope.ts'
import type { Flow } from './flow.ts'
import { networkFields, responseSentFields } from './frame-fields.ts'
import { InboundInvite, type InviteEvents } from './inbound-invite.ts'
import type { InboundRequest } from './inbound-request.ts'
import { InfoOrder } from './info-order.ts'
import { hasToken, serialize, valueOf, type Header, type SipRequest, type SipResponse } from './message.ts'
import { MergedRequests } from './merged-requests.ts'
import { tagOf } from './name-addr.ts'
import { PendingAnswers } from './pending-answers.ts'
import { isKnownMethod } from './request-rules.ts'
import { buildResponse, taggedTo } from './response-builder.ts'
import type { SessionKeeper } from './session-keeper.ts'
import type { SipCore } from './sip-core.ts'
import { subscribes, subscriptionsOf } from './subscriptions.ts'
import { serverKey } from './transaction-table.ts'
import { ServerTransaction } from './transaction-server.ts'

/** Requests that mean nothing outside a dialog (RFC 3261 section 15.1.2, RFC 3262 section 3, RFC 3311 section 5.2). */
const DIALOG_ONLY = new Set(['BYE', 'UPDATE', 'PRACK'])

/** Requests whose Contact moves the peer (RFC 3261 section 12.2, RFC 3311 section 5.2, RFC 6665 section 4.4.1). */
const TARGET_METHODS = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY'])

export type ServerEvents = InviteEvents & { readonly limited: (limit: 'transactions' | 'dialogs') => void }

/** The answering half: requests from the network go to an application, its answers go back. */
export class UserAgentServer {
  readonly #core: SipCore
  readonly #events: ServerEvents
  readonly #sessions: SessionKeeper
  readonly #pending: PendingAnswers
  /** INVITEs by the key of their transaction, for CANCEL and ACK. */
  readonly #invites = new Map<string, InboundInvite>()
  readonly #merged: MergedRequests
  readonly #inviteOf = new WeakMap<InboundRequest, InboundInvite>()
  readonly #orders = new WeakMap<Dialog, InfoOrder>()

  constructor(core: SipCore, sessions: SessionKeeper, events: ServerEvents) {
    this.#core = core
    this.#sessions = sessions
    this.#pending = new PendingAnswers(core.clock)
    this.#merged = new MergedRequests(core.dialogs)
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
          this.#merged.forget(envelope, key)
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
    const inbound = this.#pending.answeredBy(frame.transactionId ?? '', response)
    if (inbound?.application !== application || inbound.transaction.finalSent)
      return application.reply(frame.id, ['NOK', 'Response not sent due to unknown transaction'])
    const contentType = contentTypeHeaders(response)
    if (contentType === 'missing') return application.reply(frame.id, ['NOK', 'Server error: missing content-type'])
    const { flow } = inbound.transaction
    const invite = this.#inviteOf.get(inbound)
    const reliability = invite?.reliability(response) ?? 'plain'
    if (reliability === 'unsupported')
      return application.reply(frame.id, ['NOK', 'Remote endpoint does not support 100rel'])
    if (reliability === 'too_many')
      return application.reply(frame.id, ['NOK', 'Server error: too many reliable provisional responses'])
    invite?.adoptTag(tagOf(valueOf(response, 'to') ?? ''))
    const group = inbound.group ?? invite?.group
    const session = this.#sessions.answering(inbound.request, response, group)
    const reliable = invite !== undefined && reliability === 'reliable'
    const built = answerFor(inbound, response, {
      to: invite?.to,
      headers: [...(reliable ? [invite.nextRseq()] : []), ...session.headers, ...contentType],
      reliable,
    })
    const bytes = serialize(built)
    this.#answered(inbound, response.status)
    const opened = invite === undefined ? this.#accepted(inbound, built) : undefined
    const dialogId = invite?.dialogId ?? (inbound.request.method === 'BYE' ? '' : ((group ?? opened)?.id ?? ''))
    application.reply(
      frame.id,
      responseSentFields(bytes.length, flow, { transactionId: inbound.transactionId, dialogId }),
      bytes,
    )
    if (invite === undefined) inbound.transaction.respond(response.status, bytes)
    else this.#sendOnInvite(invite, built, bytes, reliable)
    session.begin(invite?.group ?? group)
  }

  /** The application is gone: its requests are answered for it. INVITEs wait for the grace, others have no time. */
  release(application: Application, what: 'invites' | 'others'): void {
    for (const inbound of this.#pending.all()) {
      if (inbound.application === application && this.#inviteOf.has(inbound) === (what === 'invites'))
        this.#giveUp(inbound)
    }
  }

  /** A request that will be proxied; it may come back by another way, and is then no merged one (section 16.3). */
  take(application: Application, transactionId: string): InboundRequest | undefined {
    const inbound = this.#pending.take(application, transactionId)
    if (inbound !== undefined) this.#merged.forget(inbound.envelope)
    return inbound
  }

  releaseAll(): void {
    for (const inbound of this.#pending.all()) this.#giveUp(inbound)
  }

  #giveUp(inbound: InboundRequest): void {
    const invite = this.#inviteOf.get(inbound)
    this.#answered(inbound, 503)
    if (invite === undefined) this.#refuse(inbound.transaction, inbound.request, inbound.envelope, 503)
    else invite.refuse(503)
  }

  #outsideDialog(request: SipRequest, envelope: Envelope, context: RequestContext): void {
    const { control, dialogs, limits } = this.#core
    const refuse = (status: number, headers: readonly Header[] = []): void =>
      this.#refuse(context.transaction, request, envelope, status, headers)
    if (DIALOG_ONLY.has(request.method)) return refuse(481)
    // An OPTIONS that may not be forwarded is meant for us (RFC 3261 section 16.3).
    if (envelope.maxForwards === 0 && request.method !== 'OPTIONS') return refuse(483)
    const invite = request.method === 'INVITE'
    if (invite) this.#trying(context.transaction, request)
    if (invite && this.#merged.has(envelope)) return refuse(482)
    const tooShort = this.#sessions.refusal(request)
    if (tooShort !== undefined) return refuse(422, [tooShort])
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
    const { dialogs } = this.#core
    const dialog = dialogs.byLocalTag(envelope.callId, envelope.toTag)?.forks.get(envelope.fromTag)
    const pass = (): void => this.#takeInDialog(request, envelope, context)
    if (dialog === undefined) {
      if (request.method === 'NOTIFY' && dialogs.hold(envelope.callId, envelope.toTag, pass)) return
      return pass()
    }
    const order = this.#orderOf(dialog)
    const { number } = envelope.cseq
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
    if (group === undefined || dialog === undefined) return refuse(481)
    if (request.method === 'BYE' && dialog !== group.active) return this.#forkLeaves(group, dialog, () => refuse(200))
    // What waits is answered 100 before anything else, so that the peer repeats nothing.
    if (request.method === 'INVITE') this.#trying(context.transaction, request)
    const own = answerInDialog(group, dialog, request, envelope)
    if (own !== undefined) return refuse(own.status, own.headers)
    const tooShort = this.#sessions.refusal(request)
    if (tooShort !== undefined) return refuse(422, [tooShort])
    group.descriptions.requestArrived(request)
    if (valueOf(request, 'allow') !== undefined) group.peerUpdates = hasToken(request, 'allow', 'update')
    const early = request.method === 'UPDATE' && group.peerInvite?.pending === true
    if (request.method === 'INVITE') group.peerInvite?.stop()
    if (TARGET_METHODS.has(request.method)) dialog.refreshTarget(request)
    if (request.method === 'UPDATE') group.peerUpdate = true
    if (request.method === 'BYE') this.#hangUp(group, request)
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
    const give = (): void => this.#give(inbound, context.bytes, { earlyUpdate: early })
    if (request.method !== 'UPDATE' || !group.holdUpdate(give)) give()
  }

  /** A fork that lost says goodbye; the application never knew of it. */
  #forkLeaves(group: DialogGroup, fork: Dialog, confirm: () => void): void {
    group.forks.delete(fork.remoteTag)
    confirm()
  }

  /** The peer ends the dialog: nothing is repeated any more, and an unanswered INVITE is over (RFC 3261 section 15.1.2). */
  #hangUp(group: DialogGroup, bye: SipRequest): void {
    group.peerInvite?.stop()
    if (group.peerInvite?.pending === true) group.peerInvite.refuse(487)
    this.#core.dialogs.leave(group)
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
    this.#merged.add(inbound.envelope, key)
    this.#inviteOf.set(inbound, invite)
    return invite
  }

  #give(inbound: InboundRequest, bytes: number, options = { earlyUpdate: false }): void {
    this.#pending.add(inbound, options)
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
    this.#pending.limit(inbound, delayMs, () => {
      this.#answered(inbound, status)
      const invite = this.#inviteOf.get(inbound)
      // The peer of another request has given up by now, and must not be told 408 (RFC 4320 section 4.2).
      if (invite === undefined) inbound.transaction.abandon()
      else invite.refuse(status)
    })
  }

  #answered(inbound: InboundRequest, status: number): void {
    if (status < 200) {
      if (this.#inviteOf.has(inbound)) this.#limitAnswer(inbound, this.#core.limits.ringingMs, 408)
      return
    }
    this.#pending.remove(inbound)
    if (inbound.request.method === 'UPDATE' && inbound.group !== undefined) inbound.group.peerUpdate = false
  }

  /** What the answer to another request than INVITE means for its dialog, or the dialog that it opens (RFC 6665, RFC 3515). */
  #accepted(inbound: InboundRequest, built: SipResponse): DialogGroup | undefined {
    const { request, envelope, application, transaction } = inbound
    let { group } = inbound
    group?.descriptions.responseSent(request, built)
    if (request.method === 'NOTIFY') group?.subscriptions?.notified('us', request, built)
    if (!subscribes(request) || built.status < 200 || built.status >= 300) return undefined
    if (group === undefined) {
      const to = valueOf(built, 'to') ?? ''
      const dialog = Dialog.ofRequest(request, { to, sequence: envelope.cseq.number, flow: transaction.flow })
      dialog.state = 'confirmed'
      group = new DialogGroup(dialogIdOf(envelope.callId, envelope.fromTag), application, dialog, 'subscription')
      this.#core.dialogs.add(group)
    }
    subscriptionsOf(group, this.#core).accepted('peer', request, built)
    return group
  }

  #sendOnInvite(invite: InboundInvite, response: SipResponse, bytes: Buffer, reliable: boolean): void {
    invite.send(response, bytes, { reliable })
    if (invite.inbound.group !== undefined || response.status < 200) return
    if (response.status < 300) this.#core.records.start('application', 'uas', bytes)
    else this.#core.records.stop('application', 'call-rejected', bytes)
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

const nothing = (): void => undefined
