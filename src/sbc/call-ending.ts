import type { EndReason } from './call-core.ts'
import type { Party } from './party.ts'
import type { SipRequest } from './sip-server.ts'
import type { WindowEvent } from './window-events.ts'

/** What a party that did not end the call is told in its BYE (RFC 3326). */
export const REASON_HEADERS: { readonly [Reason in EndReason]: string | null } = {
  party_hung_up: null,
  media_lost: 'SIP;cause=500;text="Media relay lost"',
  sip_lost: 'SIP;cause=500;text="Signalling lost"',
  closing: 'SIP;cause=503;text="Service closing"',
}

const END_EVENTS: { readonly [Reason in EndReason]: WindowEvent } = {
  party_hung_up: 'agent-bye',
  media_lost: 'rescue-failed',
  sip_lost: 'sip-server-lost',
  closing: 'sbc-closing',
}

/** The text of the BYE that the SIP server sends by itself then (RFC 4028 section 10). */
const SESSION_EXPIRED = /session timer expired/i

/** The event that the end of a call is, for the table of window events. */
export function endEvent(reason: EndReason, hungUp: Party | undefined, bye: SipRequest | undefined): WindowEvent {
  if (bye !== undefined && SESSION_EXPIRED.test(bye.get('Reason') ?? '')) return 'session-expired'
  return hungUp === undefined ? END_EVENTS[reason] : `${hungUp}-bye`
}
