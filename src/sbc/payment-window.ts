import { setTimeout as delay } from 'node:timers/promises'
import type { OrderRefusal, Payment } from '../wire/call-protocol.ts'
import type { GuardToSbc } from '../wire/guard-protocol.ts'
import type { FieldName } from '../wire/window-progress.ts'
import { GuardHold, type WindowOrder } from './guard-hold.ts'
import type { WindowGuard } from './guard-link.ts'
import { randomLetters } from './letters.ts'
import { areSeenDirect, isGuardBetween, isMaskingProven } from './media-proof.ts'
import { captureRefusal, failureOf, openingPayment, stepPayment, type PaymentInput } from './payment-state.ts'
import { timelyTurn } from './timely-turn.ts'
import { ruleOf, windowStateOf } from './window-events.ts'
import type { OpenResult, PaymentWindowOptions } from './payment-window-options.ts'

/** Interposition that is not proven by then is undone, and the agent told not to ask for the card. */
const PROOF_MS_MAX = 500
const PROOF_EVERY_MS = 5
/** After a guard was lost, how often another is looked for; a supervisor starts one again within a second. */
const RECOVER_EVERY_MS = 250
const MASK_AGAIN_MS = 50
const WINDOW_ID_LETTERS = 16

/**
 * One payment window of a call: orders the guard in, proves it, and takes it out when it is safe. Every failure ends
 * masked: what is unknown is never closed, only tried again, until the guard says that it is safe or the call ends.
 */
export class PaymentWindow {
  readonly windowId = randomLetters(WINDOW_ID_LETTERS)
  readonly #options: PaymentWindowOptions
  #payment: Payment
  #hold: GuardHold | null = null
  #ended = false
  #closing = false
  /** The guard that is being taken out right now. */
  #connecting: GuardHold | null = null
  #recovering = false

  constructor(options: PaymentWindowOptions) {
    this.#options = options
    this.#payment = openingPayment({ windowId: this.windowId, form: options.form.name, masking: options.masking })
  }

  get payment(): Payment {
    return this.#payment
  }

  get isClosed(): boolean {
    return this.#payment.state === 'closed'
  }

  /** Masks, interposes, proves, and only then lets the customer type. */
  async open(): Promise<OpenResult> {
    const guard = await this.#options.guards.chooseWithin(this.#options.rtpengine)
    if (typeof guard === 'string') return this.#refuseOpen(guard)
    if (this.#payment.failure !== null) return this.#refuseOpen('call_ended')
    const startedMs = performance.now()
    const untilMs = startedMs + PROOF_MS_MAX
    const opened = await this.#inTurn(untilMs, () => this.#interpose(guard, { withForm: true }))
    if (opened !== 'ok') return this.#undo(opened)
    if (!(await this.#prove(untilMs))) return this.#undo('not_proven')
    const openMs = Math.round(performance.now() - startedMs)
    const refusal = captureRefusal(await this.#ask({ type: 'window.capture' }))
    if (refusal !== null) return this.#undo(refusal)
    this.#step({ type: 'proven', openMs })
    if (this.#state() === 'held' || this.#isEnded()) return this.#undo('guard_unavailable')
    this.#options.logger.info({ windowId: this.windowId, durationMs: openMs }, 'window open and proven')
    return { kind: 'open' }
  }

  async clear(field: FieldName | null): Promise<void> {
    if (this.#hold?.sides) await this.#askOk({ type: 'window.clear', field })
  }

  async cancel(): Promise<void> {
    this.#step({ type: 'failed', failure: 'cancelled' })
    await this.#askOk({ type: 'window.cancel' })
  }

  /** Hands the body of a payer's SIP INFO to the guard, unread. One that has no sides yet does not know the window, and would seem lost. */
  info(options: { readonly relay: boolean; readonly body: Buffer }): void {
    if (this.#hold?.sides)
      void this.#ask({ type: 'window.info', relay: options.relay, body: options.body.toString('base64') })
  }

  /** The call is over, or its media is: nothing flows any more, so the guard may let go. */
  end(failure: 'call_ended' | 'media_lost' | 'sip_lost'): void {
    if (this.#isEnded()) return
    this.#step({ type: 'failed', failure })
    this.#finish()
  }

  /** The rtpengine is dead, and the entry lost. In another one maskMoved comes before anybody is connected. */
  loseMedia(): void {
    if (this.#isEnded()) return
    this.#step({ type: 'failed', failure: 'media_lost' })
    this.#step({ type: 'payer', silent: false })
    this.#step({ type: 'held' })
    this.#letGo()
  }

  /**
   * No party knows a port of the new rtpengine yet: a guard is put between them, which masks everything until no key was
   * heard for the cool-down. False: none in time, or that one is lost too, and nobody may be connected. Runs in the media's turn.
   */
  async maskMoved(withinMs: number, isLost: () => boolean): Promise<boolean> {
    const { guards, media, rtpengine } = this.#options
    const untilMs = performance.now() + withinMs
    while (!this.#isEnded() && !isLost() && performance.now() < untilMs) {
      const guard = guards.chooseAny(rtpengine)
      const isIn = guard !== null && (await this.#interpose(guard, { withForm: false })) === 'ok'
      const hold = this.#taken()
      if (isIn && hold !== null && (await isGuardBetween(media))) {
        void this.#proveHeld(hold)
        return true
      }
      this.#letGo()
      await delay(MASK_AGAIN_MS)
    }
    return false
  }

  /** Waits for its turn on the call's media, but not past a time: a re-INVITE may take long. */
  #inTurn(untilMs: number, action: () => Promise<'ok' | OrderRefusal>): Promise<'ok' | OrderRefusal> {
    // It may have been cancelled meanwhile, or the media lost.
    const isOver = () => this.#isEnded() || this.#payment.failure !== null || this.#state() !== 'opening'
    const { exclusive } = this.#options
    return timelyTurn({ exclusive, untilMs, isOver, action, late: 'media_unavailable' })
  }

  async #interpose(guard: WindowGuard, options: { readonly withForm: boolean }): Promise<'ok' | OrderRefusal> {
    const { form, merchant, lookAheadMs, media } = this.#options
    const { fields, brands, tries, interDigitMs, totalMs, coolDownMs } = form
    const hold = new GuardHold({
      guard,
      windowId: options.withForm ? this.windowId : randomLetters(WINDOW_ID_LETTERS),
      listener: {
        told: (message) => this.#told(hold, message),
        lost: () => this.#guardLost(hold),
      },
    })
    this.#hold = hold
    const prepared = await this.#ask({
      type: 'window.prepare',
      masking: options.withForm ? this.#payment.masking : 'hard',
      lookAheadMs,
      codec: media.guardCodec,
      headers: media.isTranscodedInWindow ? 'own' : 'same',
      form: options.withForm ? { fields, brands, tries, interDigitMs, totalMs } : null,
      merchant,
      coolDownMs,
    })
    if (prepared?.type !== 'prepared') return 'guard_unavailable'
    if (this.#isEnded()) return 'call_ended'
    hold.sides = { payer: prepared.payer, agent: prepared.agent }
    const opened = await media.openGuard(hold.sides)
    if (opened.kind === 'failed') {
      this.#options.logger.warn({ windowId: this.windowId, code: opened.code }, 'rtpengine did not take the guard in')
      if (opened.code === 'gone') this.#options.mediaGone()
      return 'media_unavailable'
    }
    const { payer, agent } = opened.value
    return (await this.#askOk({ type: 'window.connect', payer, agent })) ? 'ok' : 'guard_unavailable'
  }

  async #prove(untilMs: number): Promise<boolean> {
    const hold = this.#hold
    while (hold !== null && performance.now() < untilMs && !this.#isEnded() && this.#payment.state === 'opening') {
      if (await this.#isProven(hold)) return performance.now() < untilMs && this.#state() === 'opening'
      await delay(PROOF_EVERY_MS)
    }
    return false
  }

  /** Payer RTP arrives at the guard, and what the agent hears comes from the guard and from nobody else. */
  async #isProven(hold: GuardHold): Promise<boolean> {
    const [facts, counted] = await Promise.all([this.#options.media.facts(), this.#ask({ type: 'window.count' })])
    const proven = this.#hold === hold && isMaskingProven(facts, counted)
    if (proven) hold.provenMs = performance.now()
    return proven
  }

  /**
   * Before the agent was told anything, the guard may go at once: nobody was asked to type. When it may not, since a
   * key is down all the same or nothing answers, the window stays, held.
   */
  async #undo(code: OrderRefusal): Promise<OpenResult> {
    if (this.#isEnded()) return { kind: 'refused', code: 'call_ended' }
    this.#step({ type: 'failed', failure: failureOf(code) })
    const hold = this.#hold
    if (hold !== null && this.#state() !== 'held') {
      await this.#options.exclusive(async () => {
        if (!this.#options.media.isGuarded || this.#hold !== hold) return
        await this.#ask({ type: 'window.cancel' })
        const outcome = await this.#takeOut(hold)
        if (this.#isEnded()) return
        if (outcome === 'out') return this.#finish()
        this.#step({ type: 'held' })
        void this.#proveHeld(hold)
      })
    }
    return this.#refuseOpen(code)
  }

  #refuseOpen(code: OrderRefusal): OpenResult {
    this.#step({ type: 'failed', failure: failureOf(code) })
    if (this.#state() !== 'held' && !this.#isEnded()) this.#finish()
    this.#options.logger.warn({ windowId: this.windowId, code }, 'window not opened')
    return { kind: 'refused', code }
  }

  #told(hold: GuardHold, message: Extract<GuardToSbc, { readonly windowId: string }>): void {
    if (this.#isEnded() || this.#hold !== hold) return
    if (message.type === 'progress') this.#step({ type: 'progress', progress: message.progress })
    else if (message.type === 'payer-heard') this.#step({ type: 'payer', silent: false })
    else if (message.type === 'alarm' && message.code === 'payer_silent') this.#step({ type: 'payer', silent: true })
    else if (message.type === 'alarm') {
      this.#options.logger.error({ windowId: this.windowId, code: message.code }, 'the guard raised an alarm')
      this.#step({ type: 'alarm' })
    } else if (this.#payment.state !== 'opening' && this.#isTrusted(hold)) void this.#close(hold)
  }

  /** A guard that took over knows of no key before it heard the payer; its word counts after a cool-down of that. */
  #isTrusted(hold: GuardHold): boolean {
    if (this.#payment.state !== 'held') return hold.provenMs !== null
    return hold.provenMs !== null && performance.now() - hold.provenMs >= this.#options.form.coolDownMs
  }

  /** The guard says that it is safe. Drained and silent first, then the close offer. */
  async #close(hold: GuardHold): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    const { logger } = this.#options
    try {
      await this.#options.exclusive(async () => {
        if (this.#isEnded() || this.#hold !== hold || (await this.#takeOut(hold)) !== 'out') return
        const isSeen = await areSeenDirect(this.#options.media)
        if (this.#isEnded()) return
        if (!isSeen)
          logger.error({ windowId: this.windowId, code: 'not_direct' }, 'the parties are not seen to be direct')
        this.#finish()
        logger.info({ windowId: this.windowId }, 'window closed')
      })
    } finally {
      this.#closing = false
    }
  }

  /** out: the parties are direct. not-safe: the guard said no, and says when. masked: it failed and was put back. */
  async #takeOut(hold: GuardHold): Promise<'out' | 'not-safe' | 'masked' | 'gone'> {
    const { media, logger } = this.#options
    const drained = await this.#ask({ type: 'window.drain' })
    if (this.#isEnded() || this.#hold !== hold) return 'gone'
    if (drained?.type === 'refused') return 'not-safe'
    if (drained?.type !== 'drained') {
      // It may be drained all the same, and would stay silent for ever.
      await this.#maskOn(hold)
      return 'not-safe'
    }
    this.#connecting = hold
    const closed = await media.closeGuard()
    this.#connecting = null
    if (closed.kind === 'ok') return 'out'
    if (this.#isEnded()) return 'gone'
    if (this.#taken() !== hold) {
      this.#loseGuard()
      return 'masked'
    }
    if (closed.code === 'gone') {
      this.#options.mediaGone()
      return 'gone'
    }
    logger.error(
      { windowId: this.windowId, code: closed.code },
      'rtpengine did not take the guard out; it is put back and the call stays masked',
    )
    this.#step({ type: 'held' })
    hold.provenMs = null
    await this.#maskOn(hold)
    return 'masked'
  }

  /**
   * After taking the guard out failed half-way, the parties may be direct: the guard is put back, and masks. Runs in
   * the media's turn; when it does not succeed at once, it waits for another.
   */
  async #maskOn(hold: GuardHold): Promise<void> {
    const { media, exclusive } = this.#options
    if (this.#isEnded() || this.#hold !== hold || hold.sides === null) return
    const opened = await media.openGuard(hold.sides)
    if (this.#isEnded() || this.#hold !== hold) return
    if (opened.kind === 'failed' && opened.code === 'gone') return this.#options.mediaGone()
    const masks =
      opened.kind === 'ok' &&
      (await this.#askOk({ type: 'window.connect', payer: opened.value.payer, agent: opened.value.agent })) &&
      (await this.#askOk({ type: 'window.resume' }))
    if (!masks) void delay(RECOVER_EVERY_MS).then(() => exclusive(() => this.#maskOn(hold)))
    else if (hold.provenMs === null) void this.#proveHeld(hold)
  }

  #guardLost(hold: GuardHold): void {
    if (this.#isEnded() || this.#hold !== hold) return
    this.#hold = null
    const { isGuarded } = this.#options.media
    const rule = ruleOf('guard-lost', windowStateOf(this.#payment, { isGuarded, isLate: false }))
    // While the parties are being connected it is silent and no longer needed: whether that succeeds decides.
    if (rule === 'remask' && this.#connecting !== hold) this.#loseGuard()
  }

  #loseGuard(): void {
    this.#step({ type: 'guard-lost' })
    void this.#recover()
  }

  /**
   * The customer may still be typing, so the parties are not connected: another guard takes the place, masks
   * everything, and says when no key was heard for the cool-down. Until then the agent hears silence.
   */
  async #recover(): Promise<void> {
    if (this.#recovering) return
    this.#recovering = true
    while (!this.#isEnded() && this.#hold === null) {
      const guard = this.#options.guards.chooseAny(this.#options.rtpengine)
      if (guard !== null) {
        const result = await this.#options.exclusive(() => this.#replace(guard))
        const hold = this.#taken()
        if (result === 'ok' && hold !== null) {
          this.#options.logger.warn({ windowId: this.windowId, instance: guard.name }, 'another guard masks the call')
          void this.#proveHeld(hold)
          break
        }
        this.#letGo()
      }
      await delay(RECOVER_EVERY_MS)
    }
    this.#recovering = false
    if (!this.#isEnded() && this.#taken() === null) void this.#recover()
  }

  async #replace(guard: WindowGuard): Promise<'ok' | OrderRefusal> {
    if (this.#isEnded()) return 'call_ended'
    // The call was moved to another rtpengine meanwhile, and masked there.
    if (this.#hold !== null) return 'ok'
    if (this.#options.media.isGuarded) return this.#interpose(guard, { withForm: false })
    // The guard was lost just after it had been taken out.
    this.#finish()
    return 'call_ended'
  }

  /** From the time that a held window's guard is known to hear the payer, its cool-down counts; then it is asked again. */
  async #proveHeld(hold: GuardHold): Promise<void> {
    while (!this.#isEnded() && this.#hold === hold && !(await this.#isProven(hold))) await delay(RECOVER_EVERY_MS)
    await delay(this.#options.form.coolDownMs, undefined, { ref: false })
    if (!this.#isEnded() && this.#taken() === hold && !this.#closing) await this.#askOk({ type: 'window.resume' })
  }

  /** Asked by methods, because they can change while something is waited for. */
  #isEnded(): boolean {
    return this.#ended
  }

  #state(): Payment['state'] {
    return this.#payment.state
  }

  #taken(): GuardHold | null {
    return this.#hold
  }

  /** The answer of the guard that has the window now; null when none has it, or when it gave none in time. */
  #ask(order: WindowOrder): Promise<GuardToSbc | null> {
    return this.#hold?.ask(order) ?? Promise.resolve(null)
  }

  #askOk(order: WindowOrder): Promise<boolean> {
    return this.#ask(order).then((answer) => answer?.type === 'ok')
  }

  #finish(): void {
    this.#ended = true
    this.#step({ type: 'closed' })
    this.#letGo()
  }

  #letGo(): void {
    const hold = this.#hold
    this.#hold = null
    hold?.release()
  }

  #step(input: PaymentInput): void {
    const next = stepPayment(this.#payment, input)
    if (next === this.#payment) return
    this.#payment = next
    this.#options.changed()
  }
}
