import type { SipHeaders, SipResponse } from './sip-server.ts'
import type { Trunk } from './trunks.ts'
import type { Rule } from './window-events.ts'

/** What the sbc takes inside a dialog. */
const METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE, NOTIFY'

/** Methods and extensions as a trunk is told them: one that may not transfer is not told REFER and replaces. */
export function capabilities(trunk: Pick<Trunk, 'transfers'>): SipHeaders {
  return trunk.transfers === 'follow' ? { Allow: `${METHODS}, REFER`, Supported: 'replaces' } : { Allow: METHODS }
}

/** Answers with the status that a rule names; a rule without one means that the request is not for now. */
export function refuse(response: SipResponse, rule: Rule): void {
  if (rule === '405') response.send(405, { headers: { Allow: METHODS } })
  else response.send(/^\d+$/.test(rule) ? Number(rule) : 491)
}
