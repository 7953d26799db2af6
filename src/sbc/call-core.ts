import type { Logger } from '../kit/log.ts'
import type { Leg } from './leg.ts'
import type { CallQuality } from './media-quality.ts'
import type { MediaSession } from './media-session.ts'
import type { Party } from './party.ts'
import type { PaymentWindow } from './payment-window.ts'
import type { SipRequest } from './sip-server.ts'
import type { Rule, WindowEvent } from './window-events.ts'

/** Why a call ended, for the Reason header (RFC 3326) towards a party that did not end it. */
export type EndReason = 'party_hung_up' | 'media_lost' | 'sip_lost' | 'closing'

/** How a call ended. `quality` is null when rtpengine could not be asked; it never rejects. */
export type CallEnd = {
  readonly reason: EndReason
  readonly hungUp: Party | null
  readonly bye: SipRequest | null
  readonly quality: Promise<CallQuality | null>
}

/** What the parts of a call use of its media and of its window. */
export type CallMedia = Pick<
  MediaSession,
  'isGuarded' | 'answerer' | 'sdpOf' | 'audioOf' | 'offer' | 'answer' | 'reofferInWindow' | 'newSeat'
>
export type CallWindow = Pick<PaymentWindow, 'payment' | 'isClosed' | 'info' | 'cancel'>

/**
 * What the parts of a call share: who its parties are now, its media, and its window. A leg and the media can be
 * replaced while a part waits for something, so each is asked for anew after a wait.
 */
export type CallCore = {
  readonly callId: string
  readonly logger: Logger
  /** The caller's number, which a leg to come is shown. */
  readonly from: string
  readonly media: CallMedia
  /** The window that was opened last, which may be closed; null before. */
  readonly window: CallWindow | null
  leg(party: Party): Leg
  /** What becomes of an event, as the window stands now. */
  rule(event: WindowEvent): Rule
  /** Whether a request of the leg may have been sent inside of a window that has closed. */
  isLate(leg: Leg): boolean
  /** The leg takes the place of its party's; `name`: of the agent, as desks know it. */
  replace(leg: Leg, name: string): void
  hasEnded(): boolean
  end(reason: EndReason, hungUp?: Party): void
  /** The call is shown to desks anew. */
  changed(): void
  /** One thing at a time uses the media; this waits for its turn. */
  exclusive<Value>(action: () => Promise<Value>): Promise<Value>
}
