import type { Address, GuardToSbc, PrepareWindow, SbcToGuard } from '../../wire/guard-protocol.ts'
import type { SelfTestOrder } from '../../wire/self-test-order.ts'
import type { WindowProgress } from '../../wire/window-progress.ts'
import type { MaskingFailure } from './agent-exit.ts'
import { Capture, type CaptureVault } from './capture.ts'
import type { Sentinel } from './egress-sentinel.ts'
import type { GuardMetrics } from './guard-metrics.ts'
import type { RtpPacket } from './rtp-packet.ts'
import { WindowMedia, type NewMasker, type RandomBytes, type Send } from './window-media.ts'

/** Progress goes out at most this often, but the end of a capture at once. */
const PROGRESS_EVERY_MS = 100
/** The masker hears more tones than there are, in speech; so much quiet of it is asked for besides the cool-down. */
const MASKER_QUIET_MS = 1_000
/**
 * A customer who talks on can keep the masker suspicious for long. No key was heard for the cool-down and this time: the
 * window may end, and what is still held is masked where it is suspect, as ever.
 */
const MASKER_QUIET_PATIENCE_MS = 4_000
/** The masker asks for less evidence for 10 s after it is told that keys are expected. */
const EXPECT_KEYS_EVERY_MS = 2_000
/** After a refused drain the sbc waits for the next safe-to-close. */
const SAFE_AGAIN_MS = 300
/**
 * Whoever looks for a card says nothing for long; a telephone that sends nothing meanwhile does not do so for the first
 * time. One that has paused before is given the form's whole time.
 */
const PAYER_LOST_MS = 30_000
/** How often it is looked whether the cool-down is over. */
const COOL_EVERY_MS = 50

export type WindowOptions = {
  readonly order: PrepareWindow
  readonly clockMs: () => number
  readonly dateMs: () => number
  readonly toPayer: Send
  readonly toAgent: Send
  readonly tell: (message: GuardToSbc) => void
  readonly vault: CaptureVault
  readonly sentinel: Sentinel
  readonly metrics: GuardMetrics
  readonly random?: RandomBytes
  readonly newMasker?: NewMasker
  /** Writes down that masking failed, where nobody can take it away. */
  readonly audit: (failure: MaskingFailure) => void
}

export type WindowOrder = Exclude<
  SbcToGuard,
  SelfTestOrder | { readonly type: 'window.prepare' | 'sbc.hello' | 'audit.report' }
>
type Refusal = Extract<GuardToSbc, { readonly type: 'refused' }>['code']

/**
 * One open interposition: masks from its first packet to its last, takes keys while capturing, and says when it is
 * safe to end. Orders and packets come in, packets and messages go out; sockets and timers are the caller's.
 */
export class Window {
  readonly windowId: string
  readonly #options: WindowOptions
  readonly #media: WindowMedia
  readonly #capture: Capture
  #told: WindowProgress | null = null
  #toldMs = -Infinity
  #dirty = false
  #safeTold = false
  #safeNotBeforeMs = -Infinity
  #expectAgainMs = -Infinity
  /** When an INFO of the payer last came. */
  #infoMs = -Infinity
  #closed = false

  constructor(options: WindowOptions) {
    const { order, clockMs, dateMs, toPayer, toAgent, vault, sentinel, metrics } = options
    this.#options = options
    this.windowId = order.windowId
    this.#capture = new Capture({
      windowId: order.windowId,
      merchant: order.merchant,
      form: order.form,
      vault,
      dateMs,
      clockMs,
      keyTaken: (transport) => metrics.keyTaken(transport),
      changed: () => this.#changed(),
    })
    this.#media = new WindowMedia({
      masking: order.masking,
      lookAheadMs: order.lookAheadMs,
      codec: order.codec,
      headers: order.headers,
      nowMs: clockMs(),
      toPayer,
      toAgent,
      sentinel,
      heard: (packet: RtpPacket, nowMs: number) => this.#capture.accept(packet, nowMs),
      maskingFailed: (failure) => this.#maskingFailed(failure),
      payerSilent: () => this.#alarm('payer_silent'),
      payerHeard: () => options.tell({ type: 'payer-heard', windowId: order.windowId }),
      isKeyDown: (nowMs) => this.#capture.isKeyDown(nowMs),
      metrics,
      ...(options.random === undefined ? {} : { random: options.random }),
      ...(options.newMasker === undefined ? {} : { newMasker: options.newMasker }),
    })
  }

  /** When either side was last heard, milliseconds of the guard's clock. */
  get lastHeardMs(): number {
    return this.#media.lastHeardMs
  }

  fromPayer(datagram: Buffer, from: Address, nowMs: number): void {
    if (!this.#closed) this.#media.fromPayer(datagram, from, nowMs)
  }

  fromAgent(datagram: Buffer, from: Address, nowMs: number): void {
    if (!this.#closed) this.#media.fromAgent(datagram, from, nowMs)
  }

  /** Carries out one order. `reply` is called once, for a drain when it is done. */
  order(order: WindowOrder, nowMs: number, reply: (message: GuardToSbc) => void): void {
    const answer = (accepted: boolean, code: Refusal) => reply(accepted ? OK : { type: 'refused', code })
    switch (order.type) {
      case 'window.connect':
        this.#media.connect({ payer: order.payer, agent: order.agent }, nowMs)
        this.#changed()
        return reply(OK)
      case 'window.capture':
        if (!this.#media.isConnected) return answer(false, 'not_connected')
        return answer(this.#capture.begin(nowMs), 'wrong_state')
      case 'window.clear':
        return answer(this.#capture.clear(order.field), 'wrong_state')
      case 'window.cancel':
        return answer(this.#capture.cancel(), 'wrong_state')
      case 'window.drain':
        return this.#drain(nowMs, reply)
      case 'window.resume':
        this.#media.resume(nowMs)
        this.#notSafeYet(nowMs)
        return reply(OK)
      case 'window.release':
        this.close()
        return reply(OK)
      case 'window.count':
        return reply({ type: 'counted', counts: this.#media.counts })
      case 'window.info':
        this.#infoMs = nowMs
        this.#capture.info(Buffer.from(order.body, 'base64'), order.relay, nowMs)
        return reply(OK)
    }
  }

  /** Does what is due by now. */
  tick(nowMs: number): void {
    if (this.#closed) return
    this.#expectKeys(nowMs)
    this.#media.tick(nowMs)
    this.#capture.tick(nowMs)
    if (nowMs >= this.#payerLostMs()) this.#capture.stop('payer_media_lost')
    this.#tellProgress(nowMs)
    this.#tellSafe(nowMs)
  }

  /** When tick() has something to do, milliseconds of the guard's clock. */
  dueMs(nowMs: number): number {
    if (this.#closed) return Infinity
    const progressMs = this.#dirty ? this.#toldMs + PROGRESS_EVERY_MS : Infinity
    const isCooling = this.#capture.isOver && this.#media.isConnected && !this.#safeTold && !this.#media.isDrained
    const coolMs = isCooling ? nowMs + COOL_EVERY_MS : Infinity
    return Math.min(this.#media.dueMs(), this.#capture.dueMs(), this.#payerLostMs(), progressMs, coolMs)
  }

  /** Nothing passes any more, and all digits are overwritten. Safe to call twice. */
  close(): void {
    this.#closed = true
    this.#capture.wipe()
    this.#media.wipe()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** The first key under loud speech has nothing before it to be known by, so the masker is told what is awaited. */
  #expectKeys(nowMs: number): void {
    if (this.#capture.isOver || nowMs < this.#expectAgainMs) return
    this.#expectAgainMs = nowMs + EXPECT_KEYS_EVERY_MS
    this.#media.expectKeys()
  }

  #drain(nowMs: number, reply: (message: GuardToSbc) => void): void {
    const { state } = this.#capture
    // While keys are awaited the parties are not connected, whoever asks.
    if (state === 'capturing' || state === 'storing') return reply({ type: 'refused', code: 'wrong_state' })
    if (this.#media.isDrained) return reply(DRAINED)
    this.#media.drain(nowMs, (result) => {
      if (result === 'drained') return reply(DRAINED)
      this.#notSafeYet(this.#options.clockMs())
      reply({ type: 'refused', code: 'key_down' })
    })
  }

  /**
   * Hard masking does not ask the part that failed, so the customer may go on typing. A masker that does not obey even
   * that is beyond what we know of it: nothing of it is sent, and the customer is asked to stop.
   */
  #maskingFailed(failure: MaskingFailure): void {
    this.#options.metrics.maskingFailed(failure)
    this.#options.audit(failure)
    if (failure === 'hard_not_obeyed') this.#capture.stop('sentinel_alarm')
    this.#alarm('sentinel')
  }

  /** When the capture is given up, since neither packets nor INFOs of the payer come. */
  #payerLostMs(): number {
    if (this.#capture.state !== 'capturing' || this.#media.payerPauses) return Infinity
    return Math.max(this.#media.lastPayerMs, this.#infoMs) + PAYER_LOST_MS
  }

  #alarm(code: 'sentinel' | 'payer_silent'): void {
    this.#options.metrics.alarm(code)
    this.#options.tell({ type: 'alarm', windowId: this.windowId, code })
    this.#changed()
  }

  #changed(): void {
    this.#dirty = true
    this.#tellProgress(this.#options.clockMs())
  }

  #tellProgress(nowMs: number): void {
    if (!this.#dirty || this.#closed) return
    const progress: WindowProgress = { ...this.#capture.progress(), masking: this.#media.masking }
    if (progress.state === this.#told?.state && nowMs - this.#toldMs < PROGRESS_EVERY_MS) return
    if (progress.state !== this.#told?.state && isEnd(progress.state)) this.#options.metrics.outcome(progress.state)
    this.#dirty = false
    this.#told = progress
    this.#toldMs = nowMs
    this.#options.tell({ type: 'progress', windowId: this.windowId, progress })
  }

  #notSafeYet(nowMs: number): void {
    this.#safeTold = false
    this.#safeNotBeforeMs = nowMs + SAFE_AGAIN_MS
  }

  /** Told once, and again after keys came in between. */
  #tellSafe(nowMs: number): void {
    const quietSinceMs = this.#capture.quietSinceMs(nowMs)
    const { coolDownMs } = this.#options.order
    const isQuiet = quietSinceMs !== null && nowMs - quietSinceMs >= coolDownMs
    if (!isQuiet || !this.#media.isConnected) {
      this.#safeTold = false
      return
    }
    if (this.#safeTold || this.#media.isDraining || this.#media.isDrained || nowMs < this.#safeNotBeforeMs) return
    const isPatient = nowMs - quietSinceMs < coolDownMs + MASKER_QUIET_PATIENCE_MS
    if (isPatient && this.#media.quietForMs(nowMs) < Math.min(coolDownMs, MASKER_QUIET_MS)) return
    this.#safeTold = true
    this.#options.tell({ type: 'safe-to-close', windowId: this.windowId })
  }
}

const OK: GuardToSbc = { type: 'ok' }
const DRAINED: GuardToSbc = { type: 'drained' }

function isEnd(state: WindowProgress['state']): state is 'finished' | 'cancelled' | 'failed' {
  return state === 'finished' || state === 'cancelled' || state === 'failed'
}
