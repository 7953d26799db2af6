import type { Party } from './party.ts'
import type { SipDialog } from './sip-server.ts'
import type { Trunk } from './trunks.ts'

/** One SIP dialog of the call, and what the other side is to know of it: nothing. */
export type Leg = {
  readonly party: Party
  readonly trunk: Trunk
  readonly dialog: SipDialog
  /** The origin that this leg is shown (RFC 8866 section 5.2). */
  readonly origin: { readonly sessionId: number; version: number }
}
