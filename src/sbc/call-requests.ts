import type { CallCore } from './call-core.ts'
import type { Leg } from './leg.ts'
import { otherParty } from './party.ts'
import { passableStatus } from './sip-reason.ts'
import type { SipRequest, SipResponse } from './sip-server.ts'

/** DTMF in SIP itself; in a window it goes to the guard and nowhere else. */
const DTMF_INFO = /^\s*application\/dtmf(-relay)?\s*(;|$)/i
const INFO_BYTES_MAX = 256

export const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE'

/** Requests inside an answered call that change no description: INFO, and those that are refused. */
export class CallRequests {
  readonly #core: CallCore
  /** CSeq of the payer's last INFO in a window. */
  #lastKeySequence: string | null = null

  constructor(core: CallCore) {
    this.#core = core
  }

  async info(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const type = request.get('Content-Type') ?? ''
    const { window } = this.#core
    if (leg.party === 'payer' && window !== null && !window.isClosed) {
      // Whatever the payer says in SIP inside a window stays on this side; a key goes to the guard unread.
      response.send(200)
      const dtmf = DTMF_INFO.exec(type)
      // A proxy that sends a request again by another way gives it a new branch; the CSeq stays (RFC 3261 section 8.2.2.2).
      const sequence = request.get('CSeq') ?? null
      const isNew = sequence === null || sequence !== this.#lastKeySequence
      this.#lastKeySequence = sequence
      if (isNew && dtmf !== null && request.body.length <= INFO_BYTES_MAX)
        window.info({ relay: dtmf[1] !== undefined, body: Buffer.from(request.body, 'latin1') })
      return
    }
    try {
      const relayed = await this.#core.leg(otherParty(leg.party)).dialog.request({
        method: 'INFO',
        headers: type === '' ? {} : { 'Content-Type': type },
        body: request.body,
      })
      response.send(passableStatus(relayed.status))
    } catch {
      response.send(503)
    }
  }

  /** Not relayed: saying so is better than a 200 that nothing follows. */
  refuse(response: SipResponse): void {
    response.send(405, { headers: { Allow: ALLOWED_METHODS } })
  }
}
