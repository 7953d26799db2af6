import type { Channel } from '../../kit/channel.ts'
import type { Logger } from '../../kit/log.ts'
import type { GuardToSbc, PrepareWindow, SbcToGuard } from '../../wire/guard-protocol.ts'
import type { MaskingFailure } from './agent-exit.ts'
import type { CaptureVault } from './capture.ts'
import { DueTimers, type DueTimer } from './due-timer.ts'
import type { Sentinel } from './egress-sentinel.ts'
import type { GuardMetrics } from './guard-metrics.ts'
import type { TestWindow } from './self-test/self-tests.ts'
import { ReceiveDrops } from './receive-drops.ts'
import { Window, type WindowOrder } from './window.ts'
import type { WindowRecord, WindowRecorded } from './window-record.ts'
import type { NewMasker } from './window-media.ts'
import { openWindowSockets, type WindowSockets } from './window-sockets.ts'

/** A window whose sbc went away masks on while media flows; after this long without any, the call is over. */
const ABANDONED_MS = 60_000
const ABANDONED_CHECK_MS = 5_000

export type SbcChannel = Channel<GuardToSbc, SbcToGuard>
export type GuardReply = (message: GuardToSbc) => void

export type OpenWindowsOptions = {
  /** The address that rtpengine reaches this guard by. */
  readonly media: string
  readonly windowsMax: number
  readonly vault: CaptureVault
  readonly newSentinel: () => Sentinel
  /** A test's masker in place of ours. */
  readonly newMasker?: NewMasker
  /** Writes a failure of masking down where nobody can take it away. */
  readonly audit: (failed: {
    readonly windowId: string
    readonly merchant: string
    readonly cause: MaskingFailure
  }) => void
  /** Where windows are written down, those of self-tests excepted. */
  readonly record?: Pick<WindowRecord, 'opened' | 'closed'>
  /** What a window takes from elsewhere when it belongs to a self-test; null for a customer's. */
  readonly testWindow?: (windowId: string) => TestWindow | null
  readonly clockMs: () => number
  readonly dateMs: () => number
  readonly logger: Logger
  readonly metrics: GuardMetrics
  readonly abandonedMs?: number
}

/** An sbc as it named itself, and the channel that it speaks on now. */
export type WindowOwner = { readonly name: string; readonly channel: SbcChannel }

type Place = {
  /** Of the sbc that prepared it. */
  readonly ownerName: string
  /** null: that sbc is gone. */
  owner: SbcChannel | null
  opened: Opened | null
  released: boolean
  readonly test: TestWindow | null
  readonly merchant: string
  /** Whether the vault has it written down; keys wait for that, masking does not. */
  readonly recorded: Promise<WindowRecorded>
}
type Opened = { readonly window: Window; readonly sockets: WindowSockets; readonly timer: DueTimer }

/**
 * All windows of a guard, with their sockets and timers. An sbc that goes away leaves its windows masked: only an order
 * of an sbc, or media that has stopped, ends one.
 */
export class OpenWindows {
  readonly #options: OpenWindowsOptions
  readonly #places = new Map<string, Place>()
  readonly #timers: DueTimers
  #opening = Promise.resolve()
  readonly #sweeper: NodeJS.Timeout
  readonly #drops = new ReceiveDrops()

  constructor(options: OpenWindowsOptions) {
    this.#options = options
    this.#timers = new DueTimers(options.clockMs)
    const { abandonedMs = ABANDONED_MS } = options
    this.#sweeper = setInterval(() => this.#sweep(abandonedMs), Math.min(ABANDONED_CHECK_MS, abandonedMs))
  }

  /** Ids of all windows, also of those that no sbc owns any more. */
  get ids(): readonly string[] {
    return [...this.#places.keys()]
  }

  /** Those of them that an sbc of this name prepared. */
  idsOf(ownerName: string): readonly string[] {
    return [...this.#places].flatMap(([windowId, place]) => (place.ownerName === ownerName ? [windowId] : []))
  }

  /** Windows that count: those of self-tests come on top. */
  get #customers(): number {
    return [...this.#places.values()].filter((place) => place.test === null).length
  }

  /** Carries out one order of an sbc. Windows of another are unknown to it; its own follow it to a new channel. */
  order(order: PrepareWindow | WindowOrder, from: WindowOwner, reply: GuardReply): void {
    if (order.type === 'window.prepare') {
      void this.#prepare(order, from, reply)
      return
    }
    const place = this.#places.get(order.windowId)
    if (place?.ownerName !== from.name) return reply({ type: 'refused', code: 'unknown_window' })
    place.owner = from.channel
    if (order.type === 'window.release') this.#release(order.windowId, place, 'released')
    if (order.type === 'window.capture') return void this.#capture(place, order, reply)
    if (place.opened === null) return reply(order.type === 'window.release' ? OK : NOT_CONNECTED)
    this.#orderWindow(place.opened, order, reply)
  }

  /** An sbc is gone: its windows take no more keys and mask on. */
  orphan(owner: SbcChannel): void {
    for (const [windowId, place] of this.#places) {
      if (place.owner !== owner) continue
      place.owner = null
      this.#options.logger.warn({ windowId, code: 'sbc_lost' }, 'the sbc of this window is gone; it stays masked')
      if (place.opened !== null) this.#orderWindow(place.opened, { type: 'window.cancel', windowId }, ignore)
    }
  }

  /** Ends all windows. Safe to call twice. */
  close(): void {
    clearInterval(this.#sweeper)
    for (const [windowId, place] of [...this.#places]) this.#release(windowId, place, 'guard_closed')
  }

  async #prepare(order: PrepareWindow, from: WindowOwner, reply: GuardReply): Promise<void> {
    const { windowId } = order
    if (this.#places.has(windowId)) return reply({ type: 'refused', code: 'window_exists' })
    const test = this.#options.testWindow?.(windowId) ?? null
    // A test takes nobody's place.
    if (test === null && this.#customers >= this.#options.windowsMax)
      return reply({ type: 'refused', code: 'windows_exhausted' })
    const { merchant } = order
    const window = { windowId, merchant, hasForm: order.form !== null }
    const recorded = test === null ? (this.#options.record?.opened(window) ?? RECORDED) : RECORDED
    const place: Place = {
      ...{ ownerName: from.name, owner: from.channel, opened: null, released: false },
      ...{ test, merchant, recorded },
    }
    this.#places.set(windowId, place)
    this.#options.metrics.windows(this.#customers)
    const { clockMs, logger, media } = this.#options
    let opened: Opened | null = null
    const sockets = await openWindowSockets({
      host: media,
      logger,
      fromPayer: (datagram, source) => {
        const nowMs = clockMs()
        opened?.window.fromPayer(datagram, source, nowMs)
        opened?.timer.poke(nowMs)
      },
      fromAgent: (datagram, source) => {
        // The agent's packets leave at once: nothing becomes due by them.
        opened?.window.fromAgent(datagram, source, clockMs())
      },
    })
    if (sockets === null) {
      this.#release(windowId, place, 'released')
      return reply({ type: 'refused', code: 'no_port' })
    }
    await this.#turnToOpen()
    if (place.released) {
      sockets.close()
      return reply({ type: 'refused', code: 'unknown_window' })
    }
    opened = this.#open(order, place, sockets)
    place.opened = opened
    logger.info({ windowId, masking: order.masking, codec: order.codec }, 'window prepared')
    reply({ type: 'prepared', payer: sockets.payer, agent: sockets.agent })
  }

  #open(order: PrepareWindow, place: Place, sockets: WindowSockets): Opened {
    const { clockMs, dateMs, newSentinel, newMasker, audit } = this.#options
    const { vault, metrics } = place.test ?? this.#options
    const window: Window = new Window({
      order,
      clockMs,
      dateMs,
      vault,
      metrics,
      sentinel: newSentinel(),
      ...(newMasker === undefined ? {} : { newMasker }),
      audit: (cause) => {
        audit({ windowId: order.windowId, merchant: order.merchant, cause })
        place.test?.alarmed()
      },
      toPayer: sockets.toPayer,
      toAgent: sockets.toAgent,
      tell: (message) => {
        this.#log(message)
        place.owner?.send(message)
        // The end of a capture starts the cool-down.
        timer.poke(clockMs())
      },
    })
    const timer: DueTimer = this.#timers.add({
      tick: (nowMs) => window.tick(nowMs),
      dueMs: (nowMs) => window.dueMs(nowMs),
    })
    return { window, sockets, timer }
  }

  /** Keys fill fields only in a window that is written down. */
  async #capture(place: Place, order: WindowOrder, reply: GuardReply): Promise<void> {
    const recorded = await place.recorded
    if (recorded !== 'recorded') {
      const { merchant } = place
      this.#options.logger.error(
        { windowId: order.windowId, merchant, code: recorded },
        'a window could not be recorded',
      )
      return reply({ type: 'refused', code: recorded })
    }
    if (place.released || place.opened === null) return reply(NOT_CONNECTED)
    this.#orderWindow(place.opened, order, reply)
  }

  /** Building a window takes about a millisecond: one a turn of the event loop, so that packets of others go out between. */
  #turnToOpen(): Promise<void> {
    const turn = this.#opening.then(() => new Promise<void>((resolve) => setImmediate(resolve)))
    this.#opening = turn
    return turn
  }

  #orderWindow(opened: Opened, order: WindowOrder, reply: GuardReply): void {
    const nowMs = this.#options.clockMs()
    opened.window.order(order, nowMs, reply)
    opened.timer.poke(nowMs)
  }

  #release(windowId: string, place: Place, cause: 'released' | 'abandoned' | 'guard_closed'): void {
    this.#places.delete(windowId)
    place.released = true
    if (place.test === null) this.#options.record?.closed({ windowId, merchant: place.merchant }, cause)
    this.#options.metrics.windows(this.#customers)
    place.opened?.timer.close()
    place.opened?.window.close()
    place.opened?.sockets.close()
  }

  #sweep(abandonedMs: number): void {
    const nowMs = this.#options.clockMs()
    for (const [windowId, place] of [...this.#places]) {
      if (place.owner !== null || place.opened === null) continue
      if (nowMs - place.opened.window.lastHeardMs < abandonedMs) continue
      this.#options.logger.info({ windowId }, 'window ended: no sbc and no media')
      this.#release(windowId, place, 'abandoned')
    }
    void this.#countDrops()
  }

  /** Of the windows open now; what one lost after the last look before its end is not counted. Never rejects. */
  async #countDrops(): Promise<void> {
    const ports = new Set<number>()
    for (const { opened } of this.#places.values()) {
      if (opened !== null) ports.add(opened.sockets.payer.port).add(opened.sockets.agent.port)
    }
    if (ports.size > 0) this.#options.metrics.overflowed(await this.#drops.look(ports))
  }

  #log(message: GuardToSbc): void {
    const { logger } = this.#options
    if (message.type === 'alarm') {
      const { windowId, code } = message
      if (code === 'sentinel') {
        logger.error({ windowId, code }, 'the sentinel heard a tone on its way to the agent; the window is masked hard')
      } else logger.warn({ windowId, code }, 'nothing comes from the payer')
    } else if (message.type === 'payer-heard') {
      logger.info({ windowId: message.windowId }, 'the payer is heard again')
    } else if (message.type === 'progress') {
      const { windowId, progress } = message
      if (progress.failure !== null)
        logger.warn({ windowId, state: progress.state, code: progress.failure }, 'capture failed')
      else logger.debug({ windowId, state: progress.state }, 'capture goes on')
    }
  }
}

const RECORDED = Promise.resolve<WindowRecorded>('recorded')
const OK: GuardToSbc = { type: 'ok' }
const NOT_CONNECTED: GuardToSbc = { type: 'refused', code: 'not_connected' }

function ignore(): void {
  // The sbc that would have been answered is gone.
}
