import { errorFields, type Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { CallView, OrderRefusal, Payment } from '../wire/call-protocol.ts'
import type { FieldName, Masking } from '../wire/window-progress.ts'
import type { GuardPool } from './guard-link.ts'
import type { MediaSession } from './media-session.ts'
import type { Party } from './party.ts'
import { PaymentWindow, type OpenResult } from './payment-window.ts'
import { hideOrigin, isHeld, readAudio } from './sdp.ts'
import { passableStatus } from './sip-reason.ts'
import { reinvite, type SipDialog, type SipRequest, type SipResponse } from './sip-server.ts'
import type { Trunk } from './trunks.ts'

/** One SIP dialog of the call, and what the other side is to know of it: nothing. */
export type Leg = {
  readonly party: Party
  readonly trunk: Trunk
  readonly dialog: SipDialog
  /** The origin that this leg is shown (RFC 8866 section 5.2). */
  readonly origin: { readonly sessionId: number; version: number }
}

export type CallFacts = {
  readonly callId: string
  readonly agent: string
  readonly from: string
  readonly to: string
  readonly rtpengine: string
}

export type CallDependencies = {
  readonly guards: GuardPool
  readonly forms: readonly FormConfiguration[]
  readonly merchant: string
  readonly logger: Logger
  readonly changed: (call: Call) => void
  readonly ended: (call: Call) => void
}

/** Why a call ended, for the Reason header (RFC 3326) towards a party that did not end it. */
export type EndReason = 'party_hung_up' | 'media_lost' | 'sip_lost' | 'closing'

const REASON_HEADERS: { readonly [Reason in EndReason]: string | null } = {
  party_hung_up: null,
  media_lost: 'SIP;cause=500;text="Media relay lost"',
  sip_lost: 'SIP;cause=500;text="Signalling lost"',
  closing: 'SIP;cause=503;text="Service closing"',
}

/** DTMF in SIP itself; in a window it goes to the guard and nowhere else. */
const DTMF_INFO = /^\s*application\/dtmf(-relay)?\s*(;|$)/i
const INFO_BYTES_MAX = 256

/** An answered call: two dialogs, one media session, at most one payment window at a time. */
export class Call {
  readonly facts: CallFacts
  readonly media: MediaSession
  readonly #legs: { readonly payer: Leg; readonly agent: Leg }
  readonly #dependencies: CallDependencies
  readonly #startedAtMs = Date.now()
  /** The last description that each party was sent. */
  readonly #shownTo: { payer: string; agent: string }
  #window: PaymentWindow | null = null
  #endedAtMs: number | null = null
  /** The tail of the chain of things that use the media; each waits for the one before. */
  #media: Promise<unknown> = Promise.resolve()
  /** Parties that sent a new description inside a window, which the other side still has to hear of. */
  readonly #untold = new Set<Party>()
  #modifying = false
  /** CSeq of the payer's last INFO in a window. */
  #lastKeySequence: string | null = null

  constructor(options: {
    readonly facts: CallFacts
    readonly media: MediaSession
    readonly payer: Leg
    readonly agent: Leg
    readonly dependencies: CallDependencies
  }) {
    this.facts = options.facts
    this.media = options.media
    this.#legs = { payer: options.payer, agent: options.agent }
    this.#dependencies = options.dependencies
    this.#shownTo = { payer: options.payer.dialog.local.sdp, agent: options.agent.dialog.local.sdp }
    this.#listen(options.payer)
    this.#listen(options.agent)
  }

  /** A party may have hung up before anybody listened. Call it once, when the call is known. */
  endIfHungUp(): void {
    for (const leg of [this.#legs.payer, this.#legs.agent])
      if (!leg.dialog.connected) this.end('party_hung_up', leg.party)
  }

  get isEnded(): boolean {
    return this.#endedAtMs !== null
  }

  get payment(): Payment | null {
    return this.#window?.payment ?? null
  }

  view(): CallView {
    const { payer, agent } = this.#legs
    const held = [this.media.audioOf('payer'), this.media.audioOf('agent')].some(
      (audio) => audio !== null && isHeld(audio),
    )
    return {
      callId: this.facts.callId,
      agent: this.facts.agent,
      payerSipCallId: shownCallId(payer.dialog.sip.callId),
      agentSipCallId: shownCallId(agent.dialog.sip.callId),
      from: this.facts.from,
      to: this.facts.to,
      payerTrunk: payer.trunk.name,
      agentTrunk: agent.trunk.name,
      state: this.isEnded ? 'ended' : held ? 'held' : 'talking',
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#endedAtMs,
      forms: this.#dependencies.forms.map((form) => form.name),
      payment: this.payment,
    }
  }

  async openWindow(options: { readonly form: string; readonly masking: Masking | null }): Promise<OpenResult> {
    const form = this.#dependencies.forms.find((candidate) => candidate.name === options.form)
    if (this.isEnded) return { kind: 'refused', code: 'call_ended' }
    if (form === undefined) return { kind: 'refused', code: 'unknown_form' }
    if (this.#window !== null && !this.#window.isClosed) return { kind: 'refused', code: 'window_open' }
    const { guards, merchant, logger } = this.#dependencies
    const { trunk } = this.#legs.payer
    const window = new PaymentWindow({
      media: this.media,
      guards,
      rtpengine: this.facts.rtpengine,
      form,
      masking: options.masking ?? trunk.masking,
      lookAheadMs: trunk.lookAheadMs,
      merchant,
      logger,
      changed: () => this.#windowChanged(window),
      mediaGone: () => this.end('media_lost'),
      exclusive: (action) => this.#exclusive(action),
    })
    this.#window = window
    this.#dependencies.changed(this)
    return window.open()
  }

  async clearField(field: FieldName | null): Promise<OrderRefusal | null> {
    if (this.#window === null || this.#window.isClosed) return 'no_window'
    await this.#window.clear(field)
    return null
  }

  async cancelWindow(): Promise<OrderRefusal | null> {
    if (this.#window === null || this.#window.isClosed) return 'no_window'
    await this.#window.cancel()
    return null
  }

  /** Ends the call unless rtpengine says that it still has it. */
  async endIfForgotten(): Promise<void> {
    const facts = await this.media.facts()
    if (facts.kind === 'failed') this.end('media_lost')
  }

  /** Ends both dialogs and the media. The window, if any, ends masked: nothing flows after it. Safe to call twice. */
  end(reason: EndReason, hungUp?: Party): void {
    if (this.isEnded) return
    this.#endedAtMs = Date.now()
    this.#window?.end(reason === 'media_lost' ? 'media_lost' : reason === 'sip_lost' ? 'sip_lost' : 'call_ended')
    const header = REASON_HEADERS[reason]
    for (const leg of [this.#legs.payer, this.#legs.agent]) {
      if (leg.party === hungUp) continue
      leg.dialog.destroy(header === null ? {} : { headers: { Reason: header } }).catch(() => {
        this.#dependencies.logger.warn({ callId: this.facts.callId, trunk: leg.trunk.name }, 'BYE was not sent')
      })
    }
    void this.media.delete()
    this.#dependencies.logger.info(
      { callId: this.facts.callId, code: reason, durationMs: this.#endedAtMs - this.#startedAtMs },
      'call ended',
    )
    this.#dependencies.ended(this)
  }

  #windowChanged(window: PaymentWindow): void {
    if (this.#window !== window || this.isEnded) return
    this.#dependencies.changed(this)
    if (window.isClosed && this.#untold.size > 0) void this.#exclusive(() => this.#tellOther())
  }

  #listen(leg: Leg): void {
    const { dialog } = leg
    dialog.on('destroy', () => this.end('party_hung_up', leg.party))
    dialog.on('modify', (request, response) => void this.#modify(leg, request, response))
    dialog.on('update', (request, response) => {
      if (request.body === '') response.send(200)
      else void this.#modify(leg, request, response)
    })
    dialog.on('info', (request, response) => void this.#info(leg, request, response))
    // Transfers and messages are not relayed: saying so is better than a 200 that nothing follows.
    dialog.on('refer', (_request, response) => response.send(405, { headers: { Allow: ALLOWED_METHODS } }))
    dialog.on('message', (_request, response) => response.send(405, { headers: { Allow: ALLOWED_METHODS } }))
  }

  /** A re-INVITE or UPDATE with a description: hold, another address, another codec. */
  async #modify(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    if (request.body === '') {
      // An offerless re-INVITE is answered with what stands (RFC 3261 section 14.2).
      response.send(200, { body: this.#shownTo[leg.party], headers: { 'Content-Type': 'application/sdp' } })
      return
    }
    if (this.#modifying) {
      response.send(491)
      return
    }
    this.#modifying = true
    try {
      await this.#exclusive(() => this.#modifyNow(leg, request, response))
    } catch (error) {
      const { logger } = this.#dependencies
      logger.error({ callId: this.facts.callId, ...errorFields(error) }, 'a re-INVITE could not be handled')
      if (!response.finalResponseSent) response.send(500)
    } finally {
      this.#modifying = false
    }
  }

  async #modifyNow(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    if (this.isEnded) {
      response.send(481)
      return
    }
    if (readAudio(request.body) === null) {
      response.send(488)
      return
    }
    if (this.media.isGuarded) {
      const answer = await this.media.reofferInWindow(leg.party, request.body)
      if (answer.kind === 'ok') this.#untold.add(leg.party)
      this.#answerModify(leg, response, answer.kind === 'ok' ? answer.value : null)
      if (answer.kind === 'failed' && answer.code === 'gone') this.end('media_lost')
      this.#dependencies.changed(this)
      return
    }
    const other = leg.party === 'payer' ? this.#legs.agent : this.#legs.payer
    const before = this.media.sdpOf(leg.party)
    const offered = await this.media.offer(leg.party, request.body, { live: true })
    if (offered.kind === 'failed') {
      response.send(offered.code === 'unusable' ? 488 : 500)
      if (offered.code === 'gone') this.end('media_lost')
      return
    }
    const answered = await this.#reinvite(other, offered.value)
    if (this.#hasEnded()) {
      response.send(481)
      return
    }
    if (answered.kind === 'rejected') {
      // The other side keeps what it had, so the media goes back to it too; before the refusal, after which the next
      // change may come at once.
      await this.media.offer(leg.party, before, { live: true })
      await this.media.answer(leg.party, this.media.sdpOf(other.party), { live: true })
      response.send(passableStatus(answered.status))
      // The other side knows of no such dialog any more (RFC 3261 section 12.2.1.2).
      if (answered.status === 408 || answered.status === 481) this.end('party_hung_up', other.party)
      return
    }
    const answer = await this.media.answer(leg.party, answered.sdp, { live: true })
    this.#answerModify(leg, response, answer.kind === 'ok' ? answer.value : null)
    if (answer.kind === 'failed' && answer.code === 'gone') this.end('media_lost')
    this.#dependencies.changed(this)
  }

  #answerModify(leg: Leg, response: SipResponse, sdp: string | null): void {
    const body = sdp === null ? null : this.#shown(leg, sdp)
    if (body === null) {
      response.send(500)
      return
    }
    this.#shownTo[leg.party] = body
    response.send(200, { body, headers: { 'Content-Type': 'application/sdp' } })
  }

  async #reinvite(leg: Leg, sdp: string): ReturnType<typeof reinvite> {
    const body = this.#shown(leg, sdp)
    if (body === null) return { kind: 'rejected', status: 500 }
    const answered = await reinvite(leg.dialog, body)
    if (answered.kind === 'ok') this.#shownTo[leg.party] = body
    return answered
  }

  /** What a party changed inside the window is told to the other now that the two are direct again. */
  async #tellOther(): Promise<void> {
    for (const party of [...this.#untold]) {
      this.#untold.delete(party)
      if (this.isEnded || this.media.isGuarded) return
      const other = party === 'payer' ? this.#legs.agent : this.#legs.payer
      const offered = await this.media.offer(party, this.media.sdpOf(party), { live: true })
      if (offered.kind === 'failed') continue
      const answered = await this.#reinvite(other, offered.value)
      await this.media.answer(party, answered.kind === 'ok' ? answered.sdp : this.media.sdpOf(other.party), {
        live: true,
      })
    }
  }

  #shown(leg: Leg, sdp: string): string | null {
    leg.origin.version += 1
    return hideOrigin(sdp, leg.origin)
  }

  async #info(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const type = request.get('Content-Type') ?? ''
    const window = this.#window
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
    const other = leg.party === 'payer' ? this.#legs.agent : this.#legs.payer
    try {
      const relayed = await other.dialog.request({
        method: 'INFO',
        headers: type === '' ? {} : { 'Content-Type': type },
        body: request.body,
      })
      response.send(passableStatus(relayed.status))
    } catch {
      response.send(503)
    }
  }

  /** Asked by a method, because it can change while something is waited for. */
  #hasEnded(): boolean {
    return this.#endedAtMs !== null
  }

  #exclusive<Value>(action: () => Promise<Value>): Promise<Value> {
    const turn = this.#media.then(action)
    this.#media = turn.catch(() => undefined)
    return turn
  }
}

/** Call-IDs are the peers' own words, which RFC 3261 does not limit; a desk is shown no more than this of one. */
const SIP_CALL_ID_LENGTH_MAX = 200

function shownCallId(callId: string): string {
  return callId.replace(/[^\x21-\x7e]/g, '').slice(0, SIP_CALL_ID_LENGTH_MAX) || '-'
}

export const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE'
