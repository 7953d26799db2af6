import type { Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { OrderRefusal } from '../wire/call-protocol.ts'
import type { Masking } from '../wire/window-progress.ts'
import type { GuardChoice } from './guard-link.ts'
import type { MediaSession } from './media-session.ts'

export type OpenResult = { readonly kind: 'open' } | { readonly kind: 'refused'; readonly code: OrderRefusal }

export type PaymentWindowOptions = {
  /** The media and the rtpengine of the moment: a call can be moved to another one. */
  readonly media: MediaSession
  readonly guards: GuardChoice
  /** The rtpengine of the call; only a guard beside it can take the window. */
  readonly rtpengine: string
  readonly form: FormConfiguration
  readonly masking: Masking
  readonly lookAheadMs: number
  readonly merchant: string
  readonly logger: Logger
  readonly changed: () => void
  /** rtpengine no longer knows the call: there is nothing left to mask or to connect. */
  readonly mediaGone: () => void
  /** Runs one thing at a time on the call's media: a re-INVITE and an open or close must not interleave. */
  readonly exclusive: <Value>(action: () => Promise<Value>) => Promise<Value>
}
