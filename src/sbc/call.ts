import type { Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { CallView, OrderRefusal, Payment } from '../wire/call-protocol.ts'
import type { FieldName, Masking } from '../wire/window-progress.ts'
import type { CallCore, EndReason } from './call-core.ts'
import { CallModify } from './call-modify.ts'
import { CallRequests } from './call-requests.ts'
import type { GuardPool } from './guard-link.ts'
import type { Leg } from './leg.ts'
import type { MediaSession } from './media-session.ts'
import type { Party } from './party.ts'
import { PaymentWindow, type OpenResult } from './payment-window.ts'
import { isHeld } from './sdp.ts'

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

const REASON_HEADERS: { readonly [Reason in EndReason]: string | null } = {
  party_hung_up: null,
  media_lost: 'SIP;cause=500;text="Media relay lost"',
  sip_lost: 'SIP;cause=500;text="Signalling lost"',
  closing: 'SIP;cause=503;text="Service closing"',
}

/** An answered call: two dialogs, one media session, at most one payment window at a time. */
export class Call {
  readonly facts: CallFacts
  readonly media: MediaSession
  readonly #legs: { readonly payer: Leg; readonly agent: Leg }
  readonly #dependencies: CallDependencies
  readonly #startedAtMs = Date.now()
  readonly #modify: CallModify
  readonly #requests: CallRequests
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
    this.facts = options.facts
    this.media = options.media
    this.#legs = { payer: options.payer, agent: options.agent }
    this.#dependencies = options.dependencies
    const core = this.#core()
    this.#modify = new CallModify(core)
    this.#requests = new CallRequests(core)
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
    if (window.isClosed) this.#modify.tellLate()
  }

  #listen(leg: Leg): void {
    const { dialog } = leg
    dialog.on('destroy', () => this.end('party_hung_up', leg.party))
    dialog.on('modify', (request, response) => void this.#modify.take(leg, request, response))
    dialog.on('update', (request, response) => {
      if (request.body === '') response.send(200)
      else void this.#modify.take(leg, request, response)
    })
    dialog.on('info', (request, response) => void this.#requests.info(leg, request, response))
    dialog.on('refer', (_request, response) => this.#requests.refuse(response))
    dialog.on('message', (_request, response) => this.#requests.refuse(response))
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
      hasEnded: () => this.isEnded,
      end: (reason, hungUp) => this.end(reason, hungUp),
      changed: () => this.#dependencies.changed(this),
      exclusive: (action) => this.#exclusive(action),
    }
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
