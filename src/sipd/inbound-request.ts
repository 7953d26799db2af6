import type { Application } from './control-server.ts'
import type { DialogGroup } from './dialog-group.ts'
import type { Envelope } from './envelope.ts'
import type { SipRequest } from './message.ts'
import type { ServerTransaction } from './transaction-server.ts'

/** A request from the network that an application was given to answer. */
export type InboundRequest = {
  readonly transactionId: string
  readonly application: Application
  readonly request: SipRequest
  readonly envelope: Envelope
  readonly transaction: ServerTransaction
  /** The dialog that the request came in; an INVITE that opens one is in InboundInvite. */
  readonly group: DialogGroup | undefined
}
