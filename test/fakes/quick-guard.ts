import type { WindowGuard, WindowListener } from '../../src/sbc/guard-link.ts'
import type { GuardToSbc, SbcToGuard } from '../../src/wire/guard-protocol.ts'
import type { WindowProgress } from '../../src/wire/window-progress.ts'

/** A guard without sockets, in the process of the test, that answers at once. */
export class QuickGuard implements WindowGuard {
  readonly name = 'quick'
  readonly orders: SbcToGuard[] = []
  /** False: no packet of the payer has come, so nothing can be proven. */
  hearsPayer = true
  #window: { readonly id: string; readonly listener: WindowListener } | null = null

  adopt(windowId: string, listener: WindowListener): void {
    this.#window = { id: windowId, listener }
  }

  forget(): void {
    this.#window = null
  }

  ask(order: SbcToGuard): ReturnType<WindowGuard['ask']> {
    this.orders.push(order)
    return Promise.resolve({ kind: 'reply', message: this.#answer(order), body: Buffer.alloc(0) })
  }

  count(type: SbcToGuard['type']): number {
    return this.orders.filter((order) => order.type === type).length
  }

  get hasWindow(): boolean {
    return this.#window !== null
  }

  tellProgress(state: WindowProgress['state']): void {
    this.#tell((windowId) => ({
      type: 'progress',
      windowId,
      progress: { state, masking: 'hard', fields: [], token: null, lastFour: null, brand: null, failure: null },
    }))
  }

  tellSafe(): void {
    this.#tell((windowId) => ({ type: 'safe-to-close', windowId }))
  }

  /** The connection to it is gone. */
  die(): void {
    const window = this.#window
    this.#window = null
    window?.listener.lost()
  }

  #tell(message: (windowId: string) => Extract<GuardToSbc, { readonly windowId: string }>): void {
    if (this.#window !== null) this.#window.listener.told(message(this.#window.id))
  }

  #answer(order: SbcToGuard): GuardToSbc {
    if (order.type === 'window.prepare')
      return {
        type: 'prepared',
        payer: { host: '127.0.0.1', port: 40_000 },
        agent: { host: '127.0.0.1', port: 40_002 },
      }
    if (order.type === 'window.drain') return { type: 'drained' }
    if (order.type !== 'window.count') return { type: 'ok' }
    const fromPayer = this.hearsPayer ? 9 : 0
    return {
      type: 'counted',
      counts: { fromPayer, fromAgent: 9, toPayer: 9, toAgent: 9, dropped: 0, maskedMs: 0 },
    }
  }
}
