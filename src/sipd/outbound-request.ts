import type { Timer } from './clock.ts'
import type { Application } from './control-server.ts'
import { Dialog } from './dialog.ts'
import { DialogGroup, FORKS_MAX, dialogIdOf, type DialogTable, type OwedPrack } from './dialog-group.ts'
import { hasToken, header, valueOf, type SipRequest, type SipResponse } from './message.ts'
import { tagOf } from './name-addr.ts'
import type { OutgoingRequest } from './outgoing-request.ts'
import type { ProvisionalOrder } from './provisional-order.ts'
import type { RequestSending, TransactionOptions } from './request-sending.ts'

/** Who hears of the sending. */
export type Hearing = Pick<TransactionOptions, 'moved' | 'response' | 'failed'>

/** A request of an application, or of sipd itself when `application` is undefined, and its answers. */
export type OutboundRequest = {
  readonly transactionId: string
  readonly application: Application | undefined
  /** What the application wrote. */
  readonly given: SipRequest
  /** What went out last, and how; both change when a session interval has to be longer (RFC 4028 section 7.3). */
  outgoing: OutgoingRequest
  transaction: RequestSending
  readonly hearing: Hearing
  /** The dialog that the request was sent in; one that it opened is found by its id. */
  readonly group: DialogGroup | undefined
  readonly provisionals: ProvisionalOrder
  progress: 'trying' | 'proceeding' | 'final'
  cancel: 'none' | 'held' | 'sent'
  ringing: Timer | undefined
  askedLonger: boolean
}

/** The id of the dialog that a request opens. */
export function idOf(outbound: { readonly outgoing: OutgoingRequest }): string {
  const { request } = outbound.outgoing
  return dialogIdOf(valueOf(request, 'call-id') ?? '', localTagOf(outbound))
}

export function localTagOf(outbound: { readonly outgoing: OutgoingRequest }): string {
  return tagOf(valueOf(outbound.outgoing.request, 'from') ?? '') ?? ''
}

/**
 * The dialog that a tagged response to an INVITE belongs to; the first one opens the group, another tag adds a fork
 * (RFC 3261 section 12.1.2). All forks have one id, as drachtio-server has it; the newest early one is spoken to.
 */
export function forkOf(
  outbound: OutboundRequest,
  response: SipResponse,
  dialogs: DialogTable,
): { readonly group: DialogGroup; readonly dialog: Dialog } | undefined {
  const { request, sequence } = outbound.outgoing
  if (outbound.group !== undefined) return { group: outbound.group, dialog: outbound.group.active }
  const tag = tagOf(valueOf(response, 'to') ?? '')
  if (tag === undefined && response.status < 200) return undefined
  const group = dialogs.byId(idOf(outbound))
  const dialog = group?.forks.get(tag ?? '')
  if (group !== undefined && dialog !== undefined) {
    if (dialog.state === 'early') group.active = group.active.state === 'early' ? dialog : group.active
    return {
      group,
      dialog: response.status >= 200 ? confirmedRoute(group, dialog, outbound, response) : dialog,
    }
  }
  const opened = Dialog.ofResponse(request, response, { sequence, flow: outbound.transaction.flow })
  if (group === undefined) {
    if (outbound.application === undefined) return undefined
    return { group: openGroup(outbound, outbound.application, opened, dialogs), dialog: opened }
  }
  if (group.forks.size >= FORKS_MAX) return undefined
  group.forks.set(opened.remoteTag, opened)
  if (group.active.state === 'early') group.active = opened
  return { group, dialog: opened }
}

/** The dialog that a 2xx to our SUBSCRIBE or REFER opens (RFC 6665 section 4.4.1). */
export function subscribedBy(
  outbound: OutboundRequest,
  response: SipResponse,
  dialogs: DialogTable,
): DialogGroup | undefined {
  const { request, sequence } = outbound.outgoing
  if (outbound.application === undefined || tagOf(valueOf(response, 'to') ?? '') === undefined) return undefined
  if (dialogs.byId(idOf(outbound)) !== undefined) return undefined
  const dialog = Dialog.ofResponse(request, response, { sequence, flow: outbound.transaction.flow })
  dialog.state = 'confirmed'
  const group = new DialogGroup(idOf(outbound), outbound.application, dialog, 'subscription')
  dialogs.add(group)
  return group
}

/** The same request once more: Call-ID and From as they were, the next CSeq (RFC 3261 section 8.1.3.5). */
export function repeating(sent: OutgoingRequest, request: SipRequest): SipRequest {
  const kept = sent.request.headers.filter(({ key }) => key === 'call-id' || key === 'from')
  const rest = request.headers.filter(({ key }) => key !== 'call-id' && key !== 'from' && key !== 'cseq')
  return { ...request, headers: [...kept, header('CSeq', `${sent.sequence + 1} ${request.method}`), ...rest] }
}

/** A PRACK of the application with the CSeq of the INVITE as it went out last. */
export function acknowledging(prack: SipRequest, owed: OwedPrack): SipRequest {
  const rest = prack.headers.filter(({ key }) => key !== 'rack')
  return { ...prack, headers: [...rest, header('RAck', `${owed.rseq} ${owed.sequence} INVITE`)] }
}

/** What a peer says of itself in a response (RFC 3311 section 4). */
export function learnFrom(group: DialogGroup, message: SipResponse | SipRequest): void {
  if (valueOf(message, 'allow') !== undefined) group.peerUpdates = hasToken(message, 'allow', 'update')
}

function openGroup(
  outbound: OutboundRequest,
  application: Application,
  dialog: Dialog,
  dialogs: DialogTable,
): DialogGroup {
  const { request } = outbound.outgoing
  const group = new DialogGroup(idOf(outbound), application, dialog)
  group.descriptions.requestSent(request)
  group.localContact = valueOf(request, 'contact')
  group.invitePending = true
  dialogs.add(group)
  return group
}

/** The 2xx sets the route set again (RFC 3261 section 13.2.2.4): an early dialog's may have been shorter. */
function confirmedRoute(group: DialogGroup, early: Dialog, outbound: OutboundRequest, response: SipResponse): Dialog {
  if (early.state !== 'early') return early
  const { request } = outbound.outgoing
  const dialog = Dialog.ofResponse(request, response, {
    sequence: early.localSequence,
    flow: outbound.transaction.flow,
  })
  dialog.remoteSequence = early.remoteSequence
  group.forks.set(dialog.remoteTag, dialog)
  if (group.active === early) group.active = dialog
  return dialog
}
