import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { listenChannel, type Channel, type ChannelListener, type Reply } from '../../src/kit/channel.ts'
import type { Identity } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import {
  parseSbcToGuard,
  type Address,
  type GuardToSbc,
  type PrepareWindow,
  type SbcToGuard,
} from '../../src/wire/guard-protocol.ts'
import type { WindowProgress } from '../../src/wire/window-progress.ts'

/** What the agent hears of a payer whose packets a fake guard masked: the first octet of each payload. */
export const MASK_MARK = 0xaa
const HEADER_OCTETS = 12
const WAIT_MS_MAX = 4_000
/** The real one waits 300 ms before it says again that it is safe. */
const SAFE_AGAIN_MS = 60

type FakeWindow = {
  readonly order: PrepareWindow
  readonly payerSide: Socket
  readonly agentSide: Socket
  payerTarget: Address | null
  agentTarget: Address | null
  fromPayer: number
  fromAgent: number
  toAgent: number
  toPayer: number
  dropped: number
  isDrained: boolean
}

/**
 * A guard as the sbc sees it: a channel with a real certificate, and real sockets that relay RTP, the payer's masked.
 * It understands no key; a test says when one is down and when it is safe.
 */
export class FakeGuard {
  readonly port: number
  readonly orders: SbcToGuard[] = []
  readonly windows = new Map<string, FakeWindow>()
  /** Orders of these types are never answered. */
  readonly silentOn = new Set<SbcToGuard['type']>()
  /** What these orders are refused with. */
  readonly refuses = new Map<SbcToGuard['type'], Extract<GuardToSbc, { type: 'refused' }>['code']>()
  isKeyDown = false
  #isSafe = false
  readonly #listener: ChannelListener
  readonly #channels: Set<Channel<GuardToSbc, SbcToGuard>>
  #waiting: (() => void)[] = []
  #closed = false

  private constructor(options: {
    readonly listener: ChannelListener
    readonly channels: Set<Channel<GuardToSbc, SbcToGuard>>
  }) {
    this.#listener = options.listener
    this.#channels = options.channels
    this.port = options.listener.port
  }

  static async start(options: {
    readonly identity: Identity
    readonly port?: number
    readonly windowsMax?: number
    /** Windows that it claims to have from before. */
    readonly windowsOpen?: readonly string[]
  }): Promise<FakeGuard> {
    const channels = new Set<Channel<GuardToSbc, SbcToGuard>>()
    const self: { guard: FakeGuard | null } = { guard: null }
    const listener = await listenChannel<GuardToSbc, SbcToGuard>({
      host: '127.0.0.1',
      port: options.port ?? 0,
      identity: options.identity,
      allow: ['sbc'],
      logger: createLogger({ role: 'test', level: 'silent' }),
      accept: () => {
        let channel: Channel<GuardToSbc, SbcToGuard> | null = null
        return {
          parse: parseSbcToGuard,
          opened: (opened) => {
            channel = opened
            channels.add(opened)
          },
          message: (message, _body, reply) => {
            if (message.type !== 'sbc.hello') {
              void self.guard?.take(message, reply)
              return
            }
            channel?.send({
              type: 'guard.hello',
              windowsOpen: [...(self.guard?.windows.keys() ?? []), ...(options.windowsOpen ?? [])],
              windowsMax: options.windowsMax ?? 10,
            })
          },
          closed: () => {
            if (channel !== null) channels.delete(channel)
          },
        }
      },
    })
    self.guard = new FakeGuard({ listener, channels })
    return self.guard
  }

  /** The window that was prepared last. */
  get window(): FakeWindow {
    const window = [...this.windows.values()].at(-1)
    if (window === undefined) throw new Error('the guard has no window')
    return window
  }

  ordersOf(type: SbcToGuard['type']): readonly SbcToGuard[] {
    return this.orders.filter((order) => order.type === type)
  }

  /** Says that the window may be closed, and again after a resume, until a key is down. */
  tellSafe(): void {
    this.#isSafe = true
    this.#tell({ type: 'safe-to-close', windowId: this.window.order.windowId })
  }

  tellProgress(progress: Partial<WindowProgress>): void {
    this.#tell({
      type: 'progress',
      windowId: this.window.order.windowId,
      progress: {
        state: 'capturing',
        masking: this.window.order.masking,
        fields: [],
        token: null,
        lastFour: null,
        brand: null,
        failure: null,
        ...progress,
      },
    })
  }

  tellAlarm(): void {
    this.#tell({ type: 'alarm', windowId: this.window.order.windowId, code: 'sentinel' })
  }

  /** A message of any window, known or not. */
  tellRaw(message: GuardToSbc): void {
    this.#tell(message)
  }

  /** Waits until the guard has been given such an order `count` times; throws after 4 s. */
  async waitFor(type: SbcToGuard['type'], count = 1): Promise<void> {
    const untilMs = performance.now() + WAIT_MS_MAX
    while (this.ordersOf(type).length < count) {
      if (performance.now() > untilMs) throw new Error('the guard was not given the order')
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), delay(50)])
    }
  }

  /** Forgets its windows, as a guard that was restarted behind a live connection would. */
  forgetWindows(): void {
    for (const windowId of [...this.windows.keys()]) this.#release(windowId)
  }

  /** Ends connection, sockets and all, as kill -9 would. Safe to call twice. */
  async die(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.forgetWindows()
    await this.#listener.close()
  }

  async take(order: Exclude<SbcToGuard, { readonly type: 'sbc.hello' }>, reply: Reply<GuardToSbc>): Promise<void> {
    this.orders.push(order)
    for (const wake of this.#waiting.splice(0)) wake()
    if (this.silentOn.has(order.type)) return
    const refusal = this.refuses.get(order.type)
    if (refusal !== undefined) return reply({ type: 'refused', code: refusal })
    if (order.type === 'window.prepare') return this.#prepare(order, reply)
    if (order.type === 'audit.report') return reply({ type: 'ok' })
    const window = this.windows.get(order.windowId)
    if (window === undefined) return reply({ type: 'refused', code: 'unknown_window' })
    switch (order.type) {
      case 'window.connect':
        window.payerTarget = order.payer
        window.agentTarget = order.agent
        return reply({ type: 'ok' })
      case 'window.drain':
        if (this.isKeyDown) return reply({ type: 'refused', code: 'key_down' })
        window.isDrained = true
        return reply({ type: 'drained' })
      case 'window.resume':
        window.isDrained = false
        reply({ type: 'ok' })
        if (this.#isSafe) {
          await delay(SAFE_AGAIN_MS)
          if (this.#maySaySafe(order.windowId)) this.#tell({ type: 'safe-to-close', windowId: order.windowId })
        }
        return
      case 'window.count':
        return reply({
          type: 'counted',
          counts: {
            fromPayer: window.fromPayer,
            fromAgent: window.fromAgent,
            toPayer: window.toPayer,
            toAgent: window.toAgent,
            dropped: window.dropped,
            maskedMs: 0,
          },
        })
      case 'window.release':
        this.#release(order.windowId)
        return reply({ type: 'ok' })
      case 'window.capture':
      case 'window.clear':
      case 'window.cancel':
      case 'window.info':
        return reply({ type: 'ok' })
      case 'selftest.begin':
      case 'selftest.connect':
      case 'selftest.play':
      case 'selftest.judge':
      case 'selftest.end':
        return reply({ type: 'refused', code: 'wrong_state' })
    }
  }

  #maySaySafe(windowId: string): boolean {
    return !this.isKeyDown && this.windows.get(windowId)?.isDrained === false
  }

  #tell(message: GuardToSbc): void {
    for (const channel of this.#channels) channel.send(message)
  }

  async #prepare(order: PrepareWindow, reply: Reply<GuardToSbc>): Promise<void> {
    const payerSide = createSocket('udp4')
    const agentSide = createSocket('udp4')
    for (const socket of [payerSide, agentSide]) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    const window: FakeWindow = {
      order,
      payerSide,
      agentSide,
      payerTarget: null,
      agentTarget: null,
      fromPayer: 0,
      fromAgent: 0,
      toAgent: 0,
      toPayer: 0,
      dropped: 0,
      isDrained: false,
    }
    payerSide.on('message', (datagram) => {
      window.fromPayer += 1
      const target = window.agentTarget
      if (target === null || window.isDrained) {
        window.dropped += 1
        return
      }
      window.toAgent += 1
      datagram.fill(MASK_MARK, HEADER_OCTETS)
      agentSide.send(datagram, target.port, target.host)
    })
    agentSide.on('message', (datagram) => {
      window.fromAgent += 1
      const target = window.payerTarget
      if (target === null) return
      window.toPayer += 1
      payerSide.send(datagram, target.port, target.host)
    })
    this.windows.set(order.windowId, window)
    reply({
      type: 'prepared',
      payer: { host: '127.0.0.1', port: payerSide.address().port },
      agent: { host: '127.0.0.1', port: agentSide.address().port },
    })
  }

  #release(windowId: string): void {
    const window = this.windows.get(windowId)
    if (window === undefined) return
    this.windows.delete(windowId)
    window.payerSide.close()
    window.agentSide.close()
  }
}
