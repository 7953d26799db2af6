import type { Dialog } from './dialog.ts'
import type { DialogGroup } from './dialog-group.ts'
import type { Envelope } from './envelope.ts'
import { header, valueOf, type Header, type SipRequest } from './message.ts'
import { subscribes } from './subscriptions.ts'

/** An answer that a request in a dialog gets before its application sees it. */
export type DialogRefusal = { readonly status: 481 | 491 | 500; readonly headers: readonly Header[] }

/**
 * Whether a request may enter its dialog now (RFC 3261 sections 12.2.2 and 14.2, RFC 3262 section 3, RFC 3311 section
 * 5.2), in the order of those rules; a PRACK that is let in has stopped what it acknowledges.
 */
export function refusalInDialog(
  group: DialogGroup,
  dialog: Dialog,
  request: SipRequest,
  envelope: Envelope,
): DialogRefusal | undefined {
  const { method } = request
  if (group.application.gone || !isOpen(group, dialog, request)) return { status: 481, headers: [] }
  if (envelope.cseq.number < dialog.remoteSequence) return { status: 500, headers: [] }
  dialog.remoteSequence = envelope.cseq.number
  if (method === 'PRACK' && group.peerInvite?.prack(valueOf(request, 'rack') ?? '') !== true)
    return { status: 481, headers: [] }
  if (method !== 'INVITE' && method !== 'UPDATE') return undefined
  // Theirs is not answered yet: they are too early. Ours is not: both have to wait for different times.
  if (group.peerUpdate || (method === 'INVITE' && group.peerInvite?.pending === true)) return TOO_EARLY()
  if (method === 'INVITE' && (group.invitePending || group.descriptions.offer === 'ours')) return PENDING
  if (request.body.length === 0) return undefined
  if (group.descriptions.offer === 'theirs') return TOO_EARLY()
  return group.descriptions.offer === 'ours' ? PENDING : undefined
}

/** A fork that lost, and a call that has ended, take no more; the subscriptions in it may go on (RFC 5057 section 4.1). */
function isOpen(group: DialogGroup, dialog: Dialog, request: SipRequest): boolean {
  if (dialog !== group.active && group.active.state !== 'early') return false
  return group.inviteAlive || request.method === 'NOTIFY' || subscribes(request) || !group.hadInvite
}

const PENDING: DialogRefusal = { status: 491, headers: [] }

/** Seconds after which a peer may try again (RFC 3261 section 14.2, RFC 3311 section 5.2: 0 to 10, random). */
const TOO_EARLY = (): DialogRefusal => ({
  status: 500,
  headers: [header('Retry-After', String(Math.floor(Math.random() * 11)))],
})
