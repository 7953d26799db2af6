import type { SipResponse } from './sip-server.ts'
import type { Rule } from './window-events.ts'

/** What the sbc takes inside a dialog; a trunk that may not transfer is not told REFER (RFC 3515). */
export const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE, NOTIFY, REFER'

/** Answers with the status that a rule names; a rule without one means that the request is not for now. */
export function refuse(response: SipResponse, rule: Rule): void {
  if (rule === '405') response.send(405, { headers: { Allow: ALLOWED_METHODS } })
  else response.send(/^\d+$/.test(rule) ? Number(rule) : 491)
}
