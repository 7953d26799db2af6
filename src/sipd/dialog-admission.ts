import type { Dialog } from './dialog.ts'
import type { DialogGroup } from './dialog-group.ts'
import type { Envelope } from './envelope.ts'
import { header, valueOf, type Header, type SipRequest } from './message.ts'
import { subscribes } from './subscriptions.ts'

/** An answer that a request in a dialog gets before its application sees it. */
export type DialogAnswer = { readonly status: 200 | 481 | 488 | 491 | 500; readonly headers: readonly Header[] }

/**
 * What keeps a request from entering its dialog now (RFC 3261 sections 12.2.2 and 14.2, RFC 3262 section 3, RFC 3311 section
 * 5.2), in the order of those rules; a PRACK that is let in has stopped what it acknowledges.
 */
export function answerInDialog(
  group: DialogGroup,
  dialog: Dialog,
  request: SipRequest,
  envelope: Envelope,
): DialogAnswer | undefined {
  const { method } = request
  if (group.application.gone || !isOpen(group, dialog, request)) return { status: 481, headers: [] }
  if (envelope.cseq.number < dialog.remoteSequence) return { status: 500, headers: [] }
  dialog.remoteSequence = envelope.cseq.number
  if (method === 'PRACK') return answerToPrack(group, request)
  if (method !== 'INVITE' && method !== 'UPDATE') return undefined
  // Theirs is not answered yet: they are too early. Ours is not: both have to wait for different times.
  if (group.peerUpdate || (method === 'INVITE' && group.peerInvite?.pending === true)) return TOO_EARLY()
  if (method === 'INVITE' && (group.invitePending || group.descriptions.offer === 'ours')) return PENDING
  // drachtio-srf takes an UPDATE for one to its own INVITE, and never answers it.
  if (group.invitePending && group.active.state !== 'early') return PENDING
  if (request.body.length === 0) return undefined
  if (group.descriptions.offer === 'theirs') return TOO_EARLY()
  return group.descriptions.offer === 'ours' ? PENDING : undefined
}

/**
 * drachtio-srf leaves a PRACK unanswered once its dialog exists, so the server answers those that come after the
 * application's 2xx; to an offer in one nobody has an answer.
 */
function answerToPrack(group: DialogGroup, prack: SipRequest): DialogAnswer | undefined {
  switch (group.peerInvite?.prack(valueOf(prack, 'rack') ?? '')) {
    case 'awaited':
      return undefined
    case 'after_answer':
      return { status: prack.body.length > 0 ? 488 : 200, headers: [] }
    case 'unknown':
    case undefined:
      return { status: 481, headers: [] }
  }
}

/** A fork that lost, and a call that has ended, take no more; the subscriptions in it may go on (RFC 5057 section 4.1). */
function isOpen(group: DialogGroup, dialog: Dialog, request: SipRequest): boolean {
  if (dialog !== group.active && group.active.state !== 'early') return false
  return group.inviteAlive || request.method === 'NOTIFY' || subscribes(request) || !group.hadInvite
}

const PENDING: DialogAnswer = { status: 491, headers: [] }

/** Seconds after which a peer may try again (RFC 3261 section 14.2, RFC 3311 section 5.2: 0 to 10, random). */
const TOO_EARLY = (): DialogAnswer => ({
  status: 500,
  headers: [header('Retry-After', String(Math.floor(Math.random() * 11)))],
})
