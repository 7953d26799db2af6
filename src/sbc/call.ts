import type { Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { CallView, OrderRefusal, Payment } from '../wire/call-protocol.ts'
import type { FieldName, Masking } from '../wire/window-progress.ts'
import type { CallCore, EndReason } from './call-core.ts'
import { CallModify } from './call-modify.ts'
import { CallRequests } from './call-requests.ts'
import { CallRescue, type RescuedCall, type RescuePlaces } from './call-rescue.ts'
import type { GuardPool } from './guard-link.ts'
import type { Leg } from './leg.ts'
import { listenTo } from './leg-requests.ts'
import type { MediaSession } from './media-session.ts'
import type { Party } from './party.ts'
import { PaymentWindow } from './payment-window.ts'
import type { OpenResult } from './payment-window-options.ts'
import { refuse } from './refusal.ts'
import { isHeld } from './sdp.ts'
import type { SipDialogEvent, SipRequest, SipResponse } from './sip-server.ts'
import { ruleOf, windowStateOf, type Rule, type WindowEvent } from './window-events.ts'

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
  /** Where the call goes when its rtpengine is lost. */
  readonly rescue: RescuePlaces
  readonly changed: (call: Call) => void
  readonly ended: (call: Call) => void
}

const REASON_HEADERS: { readonly [Reason in EndReason]: string | null } = {
  party_hung_up: null,
  media_lost: 'SIP;cause=500;text="Media relay lost"',
  sip_lost: 'SIP;cause=500;text="Signalling lost"',
  closing: 'SIP;cause=503;text="Service closing"',
}

/** An answered call: two dialogs, one media session, at most one payment window at a time. */
export class Call {
  #facts: CallFacts
  #session: MediaSession
  readonly #legs: { readonly payer: Leg; readonly agent: Leg }
  readonly #dependencies: CallDependencies
  readonly #startedAtMs = Date.now()
  readonly #modify: CallModify
  readonly #requests: CallRequests
  readonly #rescue: CallRescue
  #window: PaymentWindow | null = null
  #endedAtMs: number | null = null
  /** The tail of the chain of things that use the media; each waits for the one before. */
  #media: Promise<unknown> = Promise.resolve()

  constructor(options: {
    readonly facts: CallFacts
    readonly media: MediaSession
    readonly payer: Leg
    readonly agent: Leg
    readonly dependencies: CallDependencies
  }) {
    this.#facts = options.facts
    this.#session = options.media
    this.#legs = { payer: options.payer, agent: options.agent }
    this.#dependencies = options.dependencies
    const core = this.#core()
    this.#modify = new CallModify(core)
    this.#requests = new CallRequests(core)
    this.#rescue = this.#rescueOf(options.dependencies.rescue)
    for (const leg of [options.payer, options.agent]) {
      this.#modify.adopt(leg)
      this.#listen(leg)
    }
  }

  /** A party may have hung up before anybody listened. Call it once, when the call is known. */
  endIfHungUp(): void {
    for (const leg of [this.#legs.payer, this.#legs.agent])
      if (!leg.dialog.connected) this.end('party_hung_up', leg.party)
  }

  get facts(): CallFacts {
    return this.#facts
  }

  get media(): MediaSession {
    return this.#session
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
    if (this.#rule('window-order') !== 'open') return { kind: 'refused', code: 'window_open' }
    const { guards, merchant, logger } = this.#dependencies
    const { trunk } = this.#legs.payer
    const mediaNow = () => this.media
    const rtpengineNow = () => this.facts.rtpengine
    const window: PaymentWindow = new PaymentWindow({
      get media() {
        return mediaNow()
      },
      guards,
      get rtpengine() {
        return rtpengineNow()
      },
      form,
      masking: options.masking ?? trunk.masking,
      lookAheadMs: trunk.lookAheadMs,
      merchant,
      logger,
      changed: () => this.#windowChanged(window),
      mediaGone: () => this.loseMedia(),
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
    if (this.#window === null || this.#rule('cancel-order') !== 'cancel') return 'no_window'
    await this.#window.cancel()
    return null
  }

  /** The rtpengine does not have the call any more: it is moved to another one, or ends. */
  loseMedia(): void {
    this.#rescue.lose(this.media)
  }

  /** The same, unless rtpengine says that it still has it. */
  async loseIfForgotten(): Promise<void> {
    const { media } = this
    const facts = await media.facts()
    if (facts.kind === 'failed') this.#rescue.lose(media)
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
    if (window.isClosed) this.#modify.tellLate()
  }

  #listen(leg: Leg): void {
    listenTo(leg.dialog, {
      hungUp: () => this.end('party_hung_up', leg.party),
      asked: (method, request, response) => void this.#asked(leg, method, { request, response }),
    })
  }

  #asked(
    leg: Leg,
    method: SipDialogEvent,
    { request, response }: { readonly request: SipRequest; readonly response: SipResponse },
  ): Promise<void> | void {
    switch (method) {
      case 'modify':
        return this.#take(leg, request, response)
      case 'update':
        return request.body === '' ? this.#requests.refresh(leg, response) : this.#take(leg, request, response)
      case 'info':
        return this.#requests.info(leg, request, response)
      case 'message':
        return this.#requests.message(leg, request, response)
      case 'notify':
        return this.#requests.notify(leg, request, response)
      case 'options':
        return this.#requests.options(leg, response)
      case 'refer':
        return refuse(response, '405')
    }
  }

  #take(leg: Leg, request: SipRequest, response: SipResponse): void {
    // Both parties are being re-INVITEd to another rtpengine: a change of theirs crosses that.
    if (this.#rescue.isMoving) refuse(response, '491')
    else void this.#modify.take(leg, request, response)
  }

  #rescueOf(places: RescuePlaces): CallRescue {
    const mediaNow = () => this.media
    const windowNow = () => this.#window
    const rescued: RescuedCall = {
      callId: this.facts.callId,
      logger: this.#dependencies.logger,
      get media() {
        return mediaNow()
      },
      get window() {
        return windowNow()
      },
      leg: (party) => this.#legs[party],
      hasEnded: () => this.isEnded,
      end: (reason, hungUp) => this.end(reason, hungUp),
      offer: (leg, sdp) => this.#modify.offer(leg, sdp),
      settle: (media, rtpengine) => {
        this.#session = media
        this.#facts = { ...this.#facts, rtpengine }
      },
      changed: () => this.#dependencies.changed(this),
      exclusive: (action) => this.#exclusive(action),
    }
    return new CallRescue(rescued, places)
  }

  /** What the parts of the call are given of it; each value is the one of the moment. */
  #core(): CallCore {
    const mediaNow = () => this.media
    const windowNow = () => this.#window
    return {
      callId: this.facts.callId,
      logger: this.#dependencies.logger,
      get media() {
        return mediaNow()
      },
      get window() {
        return windowNow()
      },
      leg: (party) => this.#legs[party],
      rule: (event) => this.#rule(event),
      hasEnded: () => this.isEnded,
      // Media that one part finds lost is lost to all: the call is moved before it is given up.
      end: (reason, hungUp) => (reason === 'media_lost' ? this.loseMedia() : this.end(reason, hungUp)),
      changed: () => this.#dependencies.changed(this),
      exclusive: (action) => this.#exclusive(action),
    }
  }

  #rule(event: WindowEvent): Rule {
    return ruleOf(event, windowStateOf(this.payment, this.media.isGuarded))
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
