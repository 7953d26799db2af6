import type { SipRequest, SipResponse } from './sip-server.ts'

/** Requests that mean something inside of an answered call only, as the library names its handlers. */
export const STRAY_METHODS = ['refer', 'info', 'message', 'notify'] as const

/** What is taken outside of a call. */
const METHODS = 'INVITE, ACK, CANCEL, OPTIONS'

/**
 * Answers a request that belongs to no answered call. Before the answer of its call it may come again after it: 491 (RFC
 * 3261 section 21.4.27) says so and leaves the dialog as it is, while 404 or 405 would end it for the peer (RFC 5057
 * section 5.1). So a REFER is not followed while it rings: whom it is about has no media that could go elsewhere. An event
 * belongs to no subscription of ours, an INFO outside of a dialog to no call (RFC 6665 section 4.1.3, RFC 6086 section 4.2.1).
 */
export function answerStray(request: SipRequest, response: SipResponse): void {
  const isInDialog = /;\s*tag=/i.test(request.get('To') ?? '')
  if (request.method === 'NOTIFY') response.send(481)
  else if (isInDialog) response.send(491)
  else if (request.method === 'INFO') response.send(481)
  else response.send(405, { headers: { Allow: METHODS } })
}
