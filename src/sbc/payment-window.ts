import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../kit/log.ts'
import type { FormConfiguration } from '../wire/configuration.ts'
import type { OrderRefusal, Payment } from '../wire/call-protocol.ts'
import type { GuardToSbc, SbcToGuard, WindowCounts } from '../wire/guard-protocol.ts'
import type { FieldName, Masking } from '../wire/window-progress.ts'
import type { GuardLink, GuardPool } from './guard-link.ts'
import { randomLetters } from './letters.ts'
import type { MediaSession } from './media-session.ts'
import { stepPayment, type PaymentInput } from './payment-state.ts'

/** Interposition that is not proven by then is undone, and the agent told not to ask for the card. */
const PROOF_MS_MAX = 500
const PROOF_EVERY_MS = 5
const GUARD_DEADLINE_MS = 300
/** Draining waits for the gap between two packets, and the guard may be busy with other windows. */
const DRAIN_DEADLINE_MS = 500
/** After a guard was lost, how often another is looked for; a supervisor starts one again within a second. */
const RECOVER_EVERY_MS = 250
const CLOSE_AGAIN_MS = 1_000
const CLEAR_PROOF_TRIES = 3
const WINDOW_ID_LETTERS = 16

export type OpenResult = { readonly kind: 'open' } | { readonly kind: 'refused'; readonly code: OrderRefusal }

export type PaymentWindowOptions = {
  readonly media: MediaSession
  readonly guards: GuardPool
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

/**
 * One payment window of a call: orders the guard in, proves it, and takes it out when it is safe. Every failure ends
 * masked: what is unknown is never closed, only tried again, until the guard says that it is safe or the call ends.
 */
export class PaymentWindow {
  readonly windowId = randomLetters(WINDOW_ID_LETTERS)
  readonly #options: PaymentWindowOptions
  #payment: Payment
  #guard: GuardLink | null = null
  /** The id of the window at the guard: a new one for each guard that takes over. */
  #guardWindowId = this.windowId
  #ended = false
  #closing = false
  #captureStarted = false

  constructor(options: PaymentWindowOptions) {
    this.#options = options
    this.#payment = {
      windowId: this.windowId,
      form: options.form.name,
      masking: options.masking,
      state: 'opening',
      fields: [],
      token: null,
      lastFour: null,
      brand: null,
      failure: null,
      openMs: null,
    }
  }

  get payment(): Payment {
    return this.#payment
  }

  get isClosed(): boolean {
    return this.#payment.state === 'closed'
  }

  /** Masks, interposes, proves, and only then lets the customer type. */
  async open(): Promise<OpenResult> {
    const startedMs = performance.now()
    const guard = this.#options.guards.choose(this.#options.rtpengine)
    if (guard === null) return this.#refuseOpen('guard_unavailable')
    const opened = await this.#options.exclusive(() => this.#interpose(guard, { withForm: true }))
    if (this.#isEnded()) return { kind: 'refused', code: 'call_ended' }
    if (opened !== 'ok') {
      await this.#undo()
      return this.#refuseOpen(opened)
    }
    const proven = await this.#prove(startedMs + PROOF_MS_MAX)
    if (this.#isEnded()) return { kind: 'refused', code: 'call_ended' }
    const openMs = performance.now() - startedMs
    if (!proven || !(await this.#askOk({ type: 'window.capture', windowId: this.#guardWindowId }))) {
      await this.#undo()
      return this.#refuseOpen('not_proven')
    }
    this.#captureStarted = true
    this.#step({ type: 'proven', openMs: Math.round(openMs) })
    this.#options.logger.info({ windowId: this.windowId, durationMs: Math.round(openMs) }, 'window open and proven')
    return { kind: 'open' }
  }

  async clear(field: FieldName | null): Promise<void> {
    await this.#askOk({ type: 'window.clear', windowId: this.#guardWindowId, field })
  }

  async cancel(): Promise<void> {
    this.#step({ type: 'failed', failure: 'cancelled' })
    await this.#askOk({ type: 'window.cancel', windowId: this.#guardWindowId })
  }

  /** Hands the body of a payer's SIP INFO to the guard, unread. */
  info(options: { readonly relay: boolean; readonly body: Buffer }): void {
    void this.#guard?.ask(
      {
        type: 'window.info',
        windowId: this.#guardWindowId,
        relay: options.relay,
        body: options.body.toString('base64'),
      },
      { deadlineMs: GUARD_DEADLINE_MS },
    )
  }

  /** The call is over, or its media is: nothing flows any more, so the guard may let go. */
  end(failure: 'call_ended' | 'media_lost' | 'sip_lost'): void {
    if (this.#isEnded()) return
    this.#ended = true
    if (this.#payment.token === null) this.#step({ type: 'failed', failure })
    this.#step({ type: 'closed' })
    this.#letGo()
  }

  async #interpose(guard: GuardLink, options: { readonly withForm: boolean }): Promise<'ok' | OrderRefusal> {
    const { form, merchant, lookAheadMs, media } = this.#options
    const windowId = options.withForm ? this.windowId : randomLetters(WINDOW_ID_LETTERS)
    this.#guardWindowId = windowId
    this.#guard = guard
    guard.adopt(windowId, { told: (message) => this.#told(message), lost: () => this.#guardLost(guard) })
    await media.followLearntEndpoints()
    const prepared = await guard.ask(
      {
        type: 'window.prepare',
        windowId,
        masking: options.withForm ? this.#payment.masking : 'hard',
        lookAheadMs,
        codec: media.guardCodec,
        headers: media.isTranscodedInWindow ? 'own' : 'same',
        form: options.withForm
          ? {
              fields: form.fields,
              brands: form.brands,
              tries: form.tries,
              interDigitMs: form.interDigitMs,
              totalMs: form.totalMs,
            }
          : null,
        merchant,
        coolDownMs: form.coolDownMs,
      },
      { deadlineMs: GUARD_DEADLINE_MS },
    )
    if (prepared.kind !== 'reply' || prepared.message.type !== 'prepared') return 'guard_unavailable'
    if (this.#isEnded()) return 'call_ended'
    const opened = await media.openGuard({ payer: prepared.message.payer, agent: prepared.message.agent })
    if (opened.kind === 'failed') {
      this.#options.logger.warn({ windowId: this.windowId, code: opened.code }, 'rtpengine did not take the guard in')
      if (opened.code === 'gone') this.#options.mediaGone()
      return 'media_unavailable'
    }
    return (await this.#askOk({
      type: 'window.connect',
      windowId,
      payer: opened.value.payer,
      agent: opened.value.agent,
    }))
      ? 'ok'
      : 'guard_unavailable'
  }

  /** Payer RTP arrives at the guard, and what the agent hears comes from the guard and from nobody else. */
  async #prove(untilMs: number): Promise<boolean> {
    while (performance.now() < untilMs && !this.#isEnded() && this.#payment.state === 'opening') {
      const [facts, counts] = await Promise.all([this.#options.media.facts(), this.#count()])
      if (performance.now() >= untilMs) return false
      if (
        facts.kind === 'ok' &&
        facts.value.guardIsBetween &&
        facts.value.packetsFrom.guardAgent > 0 &&
        counts !== null &&
        counts.fromPayer > 0
      )
        return true
      await delay(PROOF_EVERY_MS)
    }
    return false
  }

  async #count(): Promise<WindowCounts | null> {
    const answer = await this.#guard?.ask(
      { type: 'window.count', windowId: this.#guardWindowId },
      { deadlineMs: GUARD_DEADLINE_MS },
    )
    return answer?.kind === 'reply' && answer.message.type === 'counted' ? answer.message.counts : null
  }

  /** Before the agent was told anything, the guard may go at once: nobody was asked to type. */
  async #undo(): Promise<void> {
    if (this.#ended || this.#payment.state === 'held') return
    await this.#options.exclusive(async () => {
      if (!this.#options.media.isGuarded) return
      await this.#guard?.ask({ type: 'window.drain', windowId: this.#guardWindowId }, { deadlineMs: DRAIN_DEADLINE_MS })
      const closed = await this.#options.media.closeGuard()
      if (closed.kind === 'failed') this.#step({ type: 'guard-lost' })
    })
    if (this.#state() === 'held') void this.#recover()
    else this.#letGo()
  }

  #refuseOpen(code: OrderRefusal): OpenResult {
    if (code === 'guard_unavailable' || code === 'media_unavailable' || code === 'not_proven')
      this.#step({ type: 'failed', failure: code })
    if (this.#payment.state !== 'held') {
      this.#ended = true
      this.#step({ type: 'closed' })
      this.#letGo()
    }
    this.#options.logger.warn({ windowId: this.windowId, code }, 'window not opened')
    return { kind: 'refused', code }
  }

  #told(message: Extract<GuardToSbc, { readonly windowId: string }>): void {
    if (this.#ended || message.windowId !== this.#guardWindowId) return
    if (message.type === 'progress') this.#step({ type: 'progress', progress: message.progress })
    else if (message.type === 'alarm')
      this.#options.logger.error({ windowId: this.windowId, code: message.code }, 'the guard raised an alarm')
    else void this.#close()
  }

  /** The guard says that it is safe. Drained and silent first, then the close offer. */
  async #close(): Promise<void> {
    if (this.#closing || this.#isEnded() || (this.#payment.state === 'opening' && !this.#captureStarted)) return
    this.#closing = true
    const outcome = await this.#options.exclusive(() => this.#closeNow())
    this.#closing = false
    if (outcome === 'later' && !this.#isEnded()) {
      await delay(CLOSE_AGAIN_MS)
      void this.#close()
    }
  }

  async #closeNow(): Promise<'closed' | 'not-safe' | 'later'> {
    const { media, logger } = this.#options
    if (this.#isEnded()) return 'closed'
    const drained = await this.#guard?.ask(
      { type: 'window.drain', windowId: this.#guardWindowId },
      { deadlineMs: DRAIN_DEADLINE_MS },
    )
    if (drained?.kind !== 'reply' || drained.message.type !== 'drained') return 'not-safe'
    const closed = await media.closeGuard()
    if (this.#isEnded()) return 'closed'
    if (closed.kind === 'failed') {
      logger.error(
        { windowId: this.windowId, code: closed.code },
        'rtpengine did not take the guard out; the call stays masked',
      )
      if (closed.code === 'gone') this.#options.mediaGone()
      else await this.#askOk({ type: 'window.resume', windowId: this.#guardWindowId })
      return closed.code === 'gone' ? 'closed' : 'later'
    }
    for (let tries = 0; tries < CLEAR_PROOF_TRIES; tries += 1) {
      const facts = await media.facts()
      if (facts.kind === 'ok' && facts.value.partiesAreDirect) break
    }
    this.#ended = true
    this.#step({ type: 'closed' })
    this.#letGo()
    logger.info({ windowId: this.windowId }, 'window closed')
    return 'closed'
  }

  #guardLost(guard: GuardLink): void {
    if (this.#ended || guard !== this.#guard) return
    this.#guard = null
    this.#step({ type: 'guard-lost' })
    void this.#recover()
  }

  /**
   * The customer may still be typing, so the parties are not connected: another guard takes the place, masks
   * everything, and says when no key was heard for the cool-down. Until then the agent hears silence.
   */
  async #recover(): Promise<void> {
    while (!this.#isEnded() && this.#payment.state === 'held') {
      const guard = this.#options.guards.choose(this.#options.rtpengine)
      if (guard !== null) {
        const result = await this.#options.exclusive(() =>
          this.#isEnded() ? Promise.resolve('call_ended' as const) : this.#interpose(guard, { withForm: false }),
        )
        if (result === 'ok' && (await this.#askOk({ type: 'window.capture', windowId: this.#guardWindowId }))) {
          this.#captureStarted = true
          this.#options.logger.warn({ windowId: this.windowId, instance: guard.name }, 'another guard masks the call')
          return
        }
        this.#forgetGuard()
      }
      await delay(RECOVER_EVERY_MS)
    }
  }

  /** Asked by a method, because it can change while something is waited for. */
  #isEnded(): boolean {
    return this.#ended
  }

  #state(): Payment['state'] {
    return this.#payment.state
  }

  async #askOk(message: SbcToGuard): Promise<boolean> {
    const answer = await this.#guard?.ask(message, { deadlineMs: GUARD_DEADLINE_MS })
    return answer?.kind === 'reply' && answer.message.type === 'ok'
  }

  #letGo(): void {
    const guard = this.#guard
    if (guard === null) return
    void guard.ask({ type: 'window.release', windowId: this.#guardWindowId }, { deadlineMs: GUARD_DEADLINE_MS })
    this.#forgetGuard()
  }

  #forgetGuard(): void {
    this.#guard?.forget(this.#guardWindowId)
    this.#guard = null
  }

  #step(input: PaymentInput): void {
    const next = stepPayment(this.#payment, input)
    if (next === this.#payment) return
    this.#payment = next
    this.#options.changed()
  }
}
