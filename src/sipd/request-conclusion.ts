import type { DialogGroup, DialogTable } from './dialog-group.ts'
import { valueOf, type SipResponse } from './message.ts'
import { localTagOf, subscribedBy, type OutboundRequest } from './outbound-request.ts'
import type { SessionKeeper } from './session-keeper.ts'
import type { SipCore } from './sip-core.ts'
import { subscribes, subscriptionsOf } from './subscriptions.ts'

/**
 * What the final answer to another request of ours than INVITE means: for the dialog that it was sent in, or for the one
 * that it opens (RFC 6665 section 4.4.1). Returns that dialog.
 */
export function concluded(
  outbound: OutboundRequest,
  response: SipResponse,
  parts: { readonly core: SipCore; readonly sessions: SessionKeeper },
): DialogGroup | undefined {
  const { core, sessions } = parts
  const { request } = outbound.outgoing
  const success = response.status < 300
  const opens = success && subscribes(request) && outbound.group === undefined
  const group = opens ? subscribedBy(outbound, response, core.dialogs) : outbound.group
  if (group === undefined) return undefined
  if (request.method === 'UPDATE' && success) group.active.refreshTarget(response)
  group.descriptions.responseArrived(request, response)
  sessions.answered(group, request, response)
  if (success && subscribes(request)) subscriptionsOf(group, core).accepted('us', request, response)
  if (request.method === 'NOTIFY') group.subscriptions?.notified('peer', request, response)
  return group
}

/** A SUBSCRIBE or REFER goes out that may open a dialog: its NOTIFY may be faster than its answer. */
export function expectNotify(outbound: OutboundRequest, dialogs: DialogTable): void {
  dialogs.expect(valueOf(outbound.outgoing.request, 'call-id') ?? '', localTagOf(outbound))
}

/** The final answer has been passed up; NOTIFYs that were faster may follow. */
export function settle(outbound: OutboundRequest, dialogs: DialogTable): void {
  const { request } = outbound.outgoing
  if (outbound.group === undefined && subscribes(request))
    dialogs.settle(valueOf(request, 'call-id') ?? '', localTagOf(outbound))
}
