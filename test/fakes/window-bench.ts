import type { CaptureVault } from '../../src/cde/guard/capture.ts'
import type { MaskingFailure } from '../../src/cde/guard/agent-exit.ts'
import { EgressSentinel, type Sentinel } from '../../src/cde/guard/egress-sentinel.ts'
import { guardMetrics } from '../../src/cde/guard/guard-metrics.ts'
import { Window, type WindowOptions, type WindowOrder } from '../../src/cde/guard/window.ts'
import type { NewMasker } from '../../src/cde/guard/window-media.ts'
import type { TokenizeAnswer } from '../../src/cde/vault-client.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import type { GuardToSbc, PrepareWindow } from '../../src/wire/guard-protocol.ts'
import type { WindowProgress } from '../../src/wire/window-progress.ts'
import type { PayerPacket } from './payer-stream.ts'
import { seededRandom } from './seeded-random.ts'

export const WINDOW_ID = 'abcdefghijklmnop'
/** rtpengine's ports for the payer's and the agent's side. */
export const PAYER = { host: '127.0.0.1', port: 30_000 }
export const AGENT = { host: '127.0.0.1', port: 30_002 }

export const ORDER: PrepareWindow = {
  type: 'window.prepare',
  windowId: WINDOW_ID,
  masking: 'talk-through',
  lookAheadMs: 40,
  codec: 'PCMU',
  headers: 'same',
  merchant: 'shop',
  coolDownMs: 3_000,
  form: {
    fields: ['card-number', 'expiry', 'card-code'],
    brands: [],
    tries: 3,
    interDigitMs: 10_000,
    totalMs: 120_000,
  },
}

/** A vault that keeps what it was sent as text: the cards are public test numbers. */
export class FakeVault implements CaptureVault {
  readonly cards: string[] = []
  readonly keys: string[] = []
  answer: TokenizeAnswer = {
    type: 'tokenized',
    token: 'tok_abcdefghijklmnopqrst1_1111',
    lastFour: '1111',
    brand: 'visa',
  }

  tokenize(...[request, card]: Parameters<CaptureVault['tokenize']>): Promise<TokenizeAnswer> {
    this.keys.push(request.idempotencyKey)
    this.cards.push([card.pan, card.expiry, card.cardCode].map((digits) => digits.join('')).join(' '))
    return Promise.resolve(this.answer)
  }
}

/** One window on a clock that the test moves; what it sends and says is kept with its time. */
export class WindowBench {
  readonly vault = new FakeVault()
  readonly toAgent: { readonly atMs: number; readonly datagram: Buffer }[] = []
  readonly toPayer: { readonly atMs: number; readonly datagram: Buffer }[] = []
  readonly told: { readonly atMs: number; readonly message: GuardToSbc }[] = []
  readonly metrics = new Metrics('guard')
  readonly audited: MaskingFailure[] = []
  readonly window: Window
  nowMs = 1_000

  constructor(
    options: {
      readonly order?: Partial<PrepareWindow>
      readonly hearsTone?: (datagram: Buffer) => boolean
      /** A masker that is broken on purpose. */
      readonly newMasker?: NewMasker
      /** Makes two windows alike. */
      readonly seed?: number
    } = {},
  ) {
    const { order = {}, hearsTone } = options
    const parts: WindowOptions = {
      order: { ...ORDER, ...order },
      clockMs: () => this.nowMs,
      dateMs: () => Date.UTC(2026, 1, 15),
      toPayer: (datagram) => this.toPayer.push({ atMs: this.nowMs, datagram }),
      toAgent: (datagram) => this.toAgent.push({ atMs: this.nowMs, datagram }),
      tell: (message) => this.told.push({ atMs: this.nowMs, message }),
      vault: this.vault,
      sentinel: hearsTone === undefined ? new EgressSentinel() : sentinelOf(hearsTone),
      ...(options.newMasker === undefined ? {} : { newMasker: options.newMasker }),
      audit: (failure) => this.audited.push(failure),
      metrics: guardMetrics(this.metrics),
      ...(options.seed === undefined ? {} : { random: seededBytes(options.seed) }),
    }
    this.window = new Window(parts)
  }

  /** Connected to rtpengine, and capturing. */
  open(): this {
    this.order({ type: 'window.connect', windowId: WINDOW_ID, payer: PAYER, agent: AGENT })
    this.order({ type: 'window.capture', windowId: WINDOW_ID })
    return this
  }

  /** Replies so far; a drain's may come later. */
  order(order: WindowOrder): GuardToSbc[] {
    const replies: GuardToSbc[] = []
    this.window.order(order, this.nowMs, (message) => replies.push(message))
    return replies
  }

  simple(
    type: 'window.capture' | 'window.cancel' | 'window.drain' | 'window.resume' | 'window.release' | 'window.count',
  ): GuardToSbc[] {
    return this.order({ type, windowId: WINDOW_ID })
  }

  /** Moves the clock, stopping wherever the window says that something is due. */
  runTo(atMs: number): void {
    while (this.nowMs < atMs) {
      const dueMs = this.window.dueMs(this.nowMs)
      this.nowMs = Math.min(atMs, Math.max(dueMs, this.nowMs + 1))
      this.window.tick(this.nowMs)
    }
  }

  /** Plays packets of the payer at their times. */
  play(packets: readonly PayerPacket[]): void {
    for (const { atMs, datagram } of packets) {
      this.runTo(atMs)
      this.window.fromPayer(datagram, PAYER, this.nowMs)
    }
  }

  get progress(): WindowProgress | undefined {
    const last = this.told.findLast(({ message }) => message.type === 'progress')
    return last?.message.type === 'progress' ? last.message.progress : undefined
  }

  times(type: GuardToSbc['type']): readonly number[] {
    return this.told.filter(({ message }) => message.type === type).map(({ atMs }) => atMs)
  }
}

function sentinelOf(hearsTone: (datagram: Buffer) => boolean): Sentinel {
  return {
    heard: () => undefined,
    judge: (datagram) => (hearsTone(datagram) ? 'tone' : null),
    wipe: () => undefined,
  }
}

function seededBytes(seed: number): (bytes: number) => Buffer {
  const random = seededRandom(seed)
  return (bytes) => Buffer.from(Array.from({ length: bytes }, () => random.below(256)))
}
