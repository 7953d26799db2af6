import type { CallCore } from './call-core.ts'
import { askInDialog } from './dialog-request.ts'
import type { Leg } from './leg.ts'
import { otherParty } from './party.ts'
import { capabilities, refuse } from './refusal.ts'
import { passableStatus } from './sip-reason.ts'
import type { SipRequest, SipResponse } from './sip-server.ts'
import { ruleOf, type Rule } from './window-events.ts'

/** DTMF in SIP itself; in a window it goes to the guard and nowhere else. */
const DTMF_INFO = /^\s*application\/dtmf(-relay)?\s*(;|$)/i
const INFO_BYTES_MAX = 256
/** RFC 3428 section 8. */
const MESSAGE_BYTES_MAX = 1_300
/** What tells of a REFER that was passed on (RFC 3515 section 2.4.4). */
const REFER_EVENT = /^\s*refer\s*(;|$)/i
const SIPFRAG = /^\s*message\/sipfrag\s*(;|$)/i
const SIPFRAG_BYTES_MAX = 1_300

/** Requests inside an answered call that change neither a description nor a party. Nothing here rejects. */
export class CallRequests {
  readonly #core: CallCore
  /** CSeq of the payer's last INFO in a window. */
  #lastKeySequence: string | null = null
  /** A REFER of the payer was passed on, and its NOTIFYs are awaited. */
  #awaitsReport = false

  constructor(core: CallCore) {
    this.#core = core
  }

  async info(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const dtmf = DTMF_INFO.exec(request.get('Content-Type') ?? '')
    const rule = this.#ruleOf(leg, dtmf === null ? 'info' : 'key')
    if (rule === 'relay') {
      await this.#relay(leg, 'INFO', request, response)
      return
    }
    // Whatever the payer says in SIP inside a window stays on this side; a key goes to the guard unread.
    response.send(200)
    if (rule !== 'guard') return
    // A proxy that sends a request again by another way gives it a new branch; the CSeq stays (RFC 3261 section 8.2.2.2).
    const sequence = request.get('CSeq') ?? null
    const isNew = sequence === null || sequence !== this.#lastKeySequence
    this.#lastKeySequence = sequence
    if (isNew && dtmf !== null && request.body.length <= INFO_BYTES_MAX)
      this.#core.window?.info({ relay: dtmf[1] !== undefined, body: Buffer.from(request.body, 'latin1') })
  }

  async message(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const rule = this.#ruleOf(leg, 'message')
    if (rule !== 'relay') return refuse(response, rule)
    if (request.body.length > MESSAGE_BYTES_MAX) response.send(413)
    else await this.#relay(leg, 'MESSAGE', request, response)
  }

  /** Without a REFER of ours or a subscription there is nothing to be notified of (RFC 6665 section 4.1.3). */
  async notify(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const rule = this.#core.rule(`${leg.party}-notify`)
    const isReport = REFER_EVENT.test(request.get('Event') ?? '') && SIPFRAG.test(request.get('Content-Type') ?? '')
    if (rule !== 'report' || !isReport || !this.#awaitsReport || request.body.length > SIPFRAG_BYTES_MAX)
      return refuse(response, '481')
    const state = request.get('Subscription-State') ?? ''
    if (/^\s*terminated\b/i.test(state)) this.#awaitsReport = false
    await this.#relay(leg, 'NOTIFY', request, response, {
      Event: 'refer',
      'Subscription-State': /^[\w;= -]{1,80}$/.test(state) ? state : 'active',
    })
  }

  /** An UPDATE without a description is a sign of life (RFC 4028 section 7.4). */
  refresh(leg: Leg, response: SipResponse): void {
    if (this.#core.rule(`${leg.party}-refresh`) === 'here') response.send(200)
  }

  options(leg: Leg, response: SipResponse): void {
    if (this.#core.rule(`${leg.party}-options`) === 'here')
      response.send(200, { headers: { ...capabilities(leg.trunk), Accept: 'application/sdp' } })
  }

  /** A REFER that the other party is to follow, who knows the target better than the sbc does. */
  async passRefer(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const target = request.get('Refer-To')
    if (target === undefined) return response.send(400)
    this.#awaitsReport = true
    const { status } = await this.#relay(leg, 'REFER', request, response, { 'Refer-To': target })
    if (status >= 300) this.#awaitsReport = false
  }

  /** A payer whose leg has come from another call may have sent it inside of a window there. */
  #ruleOf(leg: Leg, kind: 'key' | 'info' | 'message'): Rule {
    const rule = this.#core.rule(`${leg.party}-${kind}`)
    return rule === 'relay' && this.#core.isLate(leg) ? ruleOf(`payer-${kind}`, 'just-closed') : rule
  }

  /** Nothing of the request is copied but its body, the body's type, and the headers that are given. */
  async #relay(
    leg: Leg,
    method: string,
    request: SipRequest,
    response: SipResponse,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number }> {
    const type = request.get('Content-Type') ?? ''
    const other = this.#core.leg(otherParty(leg.party))
    const answered = await askInDialog(other.dialog, {
      method,
      headers: type === '' ? headers : { ...headers, 'Content-Type': type },
      body: request.body,
    })
    const status = passableStatus(answered)
    response.send(status)
    return { status }
  }
}
