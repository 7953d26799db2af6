import type { Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { CallView, OrderRefusal, Payment } from '../wire/call-protocol.ts'
import type { FieldName, Masking } from '../wire/window-progress.ts'
import type { CallCore, CallEnd, EndReason } from './call-core.ts'
import { endEvent, REASON_HEADERS } from './call-ending.ts'
import { CallModify } from './call-modify.ts'
import { CallRequests } from './call-requests.ts'
import { CallRescue, type RescuedCall, type RescuePlaces } from './call-rescue.ts'
import { CallTransfer } from './call-transfer.ts'
import { callView } from './call-view.ts'
import type { GuardChoice } from './guard-link.ts'
import type { LateRequests } from './late-requests.ts'
import type { Leg } from './leg.ts'
import { LegDescriptions } from './leg-descriptions.ts'
import { listenTo } from './leg-requests.ts'
import type { MediaSession } from './media-session.ts'
import { qualityOf } from './media-quality.ts'
import { otherParty, type Party } from './party.ts'
import { PaymentWindow } from './payment-window.ts'
import type { OpenResult } from './payment-window-options.ts'
import type { DialogName } from './refer-target.ts'
import { refuse } from './refusal.ts'
import type { SipDialogEvent, SipRequest, SipResponse } from './sip-server.ts'
import type { GivingCall, ReplacingInvite, TransferPlaces } from './transfer-places.ts'
import { ruleOf, windowStateOf, type Rule, type WindowEvent } from './window-events.ts'

export type CallFacts = {
  readonly callId: string
  readonly agent: string
  readonly from: string
  readonly to: string
  readonly rtpengine: string
  /** Whose its cards, tokens and charges are. */
  readonly merchant: string
  /** To an emergency number: never captured. */
  readonly isEmergency: boolean
}

export type CallDependencies = {
  readonly guards: GuardChoice
  readonly forms: readonly FormConfiguration[]
  readonly logger: Logger
  /** Where the call goes when its rtpengine is lost. */
  readonly rescue: RescuePlaces
  /** Whom a transfer goes to. */
  readonly transfers: TransferPlaces
  /** One for all calls, since legs go from one to another. */
  readonly late: LateRequests
  readonly changed: (call: Call) => void
  readonly ended: (call: Call) => void
}

/** An answered call: two dialogs, one media session, at most one payment window at a time. */
export class Call implements GivingCall {
  #facts: CallFacts
  #session: MediaSession
  readonly #legs: { payer: Leg; agent: Leg }
  #agent: string
  readonly #dependencies: CallDependencies
  readonly #startedAtMs = Date.now()
  readonly #modify: CallModify
  readonly #requests: CallRequests
  readonly #rescue: CallRescue
  readonly #transfer: CallTransfer
  readonly #descriptions = new LegDescriptions()
  #window: PaymentWindow | null = null
  #endedAtMs: number | null = null
  #ending: CallEnd | null = null
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
    this.#agent = options.facts.agent
    this.#dependencies = options.dependencies
    const core = this.#core()
    this.#modify = new CallModify(core, this.#descriptions)
    this.#requests = new CallRequests(core)
    this.#transfer = new CallTransfer(core, {
      places: options.dependencies.transfers,
      modify: this.#modify,
      requests: this.#requests,
      descriptions: this.#descriptions,
    })
    this.#rescue = this.#rescueOf(options.dependencies.rescue)
    for (const leg of [options.payer, options.agent]) {
      this.#descriptions.adopt(leg)
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

  /** How it ended; null before. */
  get ending(): CallEnd | null {
    return this.#ending
  }

  get payment(): Payment | null {
    return this.#window?.payment ?? null
  }

  view(): CallView {
    return callView({
      facts: this.#facts,
      agent: this.#agent,
      legs: this.#legs,
      media: this.media,
      startedAtMs: this.#startedAtMs,
      endedAtMs: this.#endedAtMs,
      forms: this.#dependencies.forms,
      payment: this.payment,
    })
  }

  /** A party that was offered in our 200 has answered in its ACK; without an answer there is no call. */
  async takeAnswer(party: Party, sdp: string): Promise<void> {
    if (sdp === '' || !(await this.#modify.takeAnswer(this.#legs[party], sdp))) this.end('party_hung_up')
  }

  async openWindow(options: { readonly form: string; readonly masking: Masking | null }): Promise<OpenResult> {
    const form = this.#dependencies.forms.find((candidate) => candidate.name === options.form)
    if (this.isEnded) return { kind: 'refused', code: 'call_ended' }
    if (this.facts.isEmergency) return { kind: 'refused', code: 'emergency' }
    if (form === undefined) return { kind: 'refused', code: 'unknown_form' }
    if (this.rule('window-order') !== 'open') return { kind: 'refused', code: 'window_open' }
    const { guards, logger } = this.#dependencies
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
      merchant: this.facts.merchant,
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
    if (this.#window === null || this.rule('cancel-order') !== 'cancel') return 'no_window'
    await this.#window.cancel()
    return null
  }

  /** The rtpengine does not have the call any more: it is moved to another one, or ends. */
  loseMedia(): void {
    const rule = this.rule('rtpengine-lost')
    if (rule === 'move' || rule === 'move-masked') this.#rescue.lose(this.media)
  }

  /** The same, unless rtpengine says that it still has it. */
  async loseIfForgotten(): Promise<void> {
    const { media } = this
    const facts = await media.facts()
    if (facts.kind === 'failed') this.#rescue.lose(media)
  }

  /** Ends both dialogs and the media. The window, if any, ends masked: nothing flows after it. Safe to call twice. */
  end(reason: EndReason, hungUp?: Party, bye?: SipRequest): void {
    if (this.isEnded) return
    const rule = this.rule(endEvent(reason, hungUp, bye))
    this.#endedAtMs = Date.now()
    if (rule !== 'end')
      this.#window?.end(reason === 'media_lost' ? 'media_lost' : reason === 'sip_lost' ? 'sip_lost' : 'call_ended')
    this.#transfer.end()
    const header = REASON_HEADERS[reason]
    for (const leg of [this.#legs.payer, this.#legs.agent]) {
      if (leg.party === hungUp || !leg.dialog.connected) continue
      leg.dialog.destroy(header === null ? {} : { headers: { Reason: header } }).catch(() => {
        this.#dependencies.logger.warn({ callId: this.facts.callId, trunk: leg.trunk.name }, 'BYE was not sent')
      })
    }
    const { media } = this
    // Asked before the delete, after which rtpengine has forgotten what it counted.
    const quality = reason === 'media_lost' ? Promise.resolve(null) : qualityOf(media)
    void quality.then(() => media.delete())
    this.#ending = { reason, hungUp: hungUp ?? null, bye: bye ?? null, quality }
    this.#dependencies.logger.info(
      { callId: this.facts.callId, code: reason, durationMs: this.#endedAtMs - this.#startedAtMs },
      'call ended',
    )
    this.#dependencies.ended(this)
  }

  /** The leg with this dialog, by Call-ID and both tags. */
  legOf({ callId, localTag, remoteTag }: DialogName): Leg | null {
    const fits = ({ dialog: { sip } }: Leg): boolean =>
      sip.callId === callId && sip.localTag === localTag && sip.remoteTag === remoteTag
    return [this.#legs.payer, this.#legs.agent].find(fits) ?? null
  }

  /** Another telephone asks for the leg's place (RFC 3891). */
  replaceBy(leg: Leg, invite: ReplacingInvite): Promise<void> {
    return this.#transfer.replace(leg, invite)
  }

  /** The party across from the leg goes to another call, and this one ends, unless that fails. */
  async giveAway(across: Leg, take: (given: Leg, name: string) => Promise<number>): Promise<number> {
    // Two calls that give to each other would wait for each other.
    if (this.#transfer.isBusy) return 491
    return this.#exclusive(async () => {
      if (this.isEnded || this.#legs[across.party] !== across) return 481
      if (this.rule('call-taken-over') !== 'follow') return 491
      const party = otherParty(across.party)
      const status = await take(this.#legs[party], this.facts.to.replace(/[^\w.+-]/g, '') || 'unknown')
      if (status < 300) this.end('party_hung_up', party)
      return status
    })
  }

  #windowChanged(window: PaymentWindow): void {
    if (this.#window !== window || this.isEnded) return
    if (window.isClosed) this.#dependencies.late.expect(this.#legs.payer.dialog)
    this.#dependencies.changed(this)
    if (window.isClosed) this.#modify.tellLate()
  }

  #listen(leg: Leg): void {
    listenTo(leg.dialog, {
      hungUp: (bye) => {
        if (!this.#transfer.survives(leg)) this.end('party_hung_up', leg.party, bye)
      },
      asked: (method, request, response) => void this.#asked(leg, method, { request, response }),
    })
  }

  #asked(
    leg: Leg,
    method: SipDialogEvent,
    { request, response }: { readonly request: SipRequest; readonly response: SipResponse },
  ): Promise<void> | void {
    if (this.#legs[leg.party] !== leg) return refuse(response, this.rule('replaced-leg-speaks'))
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
        return this.#transfer.refer(leg, request, response)
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
      offer: (leg, sdp) => this.#descriptions.offer(leg, sdp),
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
      from: payerNumber(this.facts, this.#legs.payer),
      leg: (party) => this.#legs[party],
      replace: (leg, name) => this.#replace(leg, name),
      rule: (event) => this.rule(event),
      isLate: (leg) => this.#isLate(leg),
      hasEnded: () => this.isEnded,
      // Media that one part finds lost is lost to all: the call is moved before it is given up.
      end: (reason, hungUp) => (reason === 'media_lost' ? this.loseMedia() : this.end(reason, hungUp)),
      changed: () => this.#dependencies.changed(this),
      exclusive: (action) => this.#exclusive(action),
    }
  }

  #replace(leg: Leg, name: string): void {
    this.#legs[leg.party] = leg
    if (leg.party === 'agent') this.#agent = name
    this.#descriptions.adopt(leg)
    this.#listen(leg)
    this.#dependencies.changed(this)
    if (!leg.dialog.connected) this.end('party_hung_up', leg.party)
  }

  /** What becomes of an event, as the window stands now. */
  rule(event: WindowEvent): Rule {
    const isLate = this.#isLate(this.#legs.payer)
    return ruleOf(event, windowStateOf(this.payment, { isGuarded: this.media.isGuarded, isLate }))
  }

  #isLate(leg: Leg): boolean {
    return this.#dependencies.late.mayCome(leg.dialog)
  }

  #exclusive<Value>(action: () => Promise<Value>): Promise<Value> {
    const turn = this.#media.then(action)
    this.#media = turn.catch(() => undefined)
    return turn
  }
}

/** The payer called, unless we called the payer. */
function payerNumber(facts: CallFacts, payer: Leg): string {
  return payer.dialog.type === 'uac' ? facts.to : facts.from
}
