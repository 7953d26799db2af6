import type { Logger } from '../../../kit/log.ts'
import type { GuardToSbc } from '../../../wire/guard-protocol.ts'
import type { SelfTestOrder } from '../../../wire/self-test-order.ts'
import type { CaptureVault } from '../capture.ts'
import type { GuardMetrics } from '../guard-metrics.ts'
import { SelfTest } from './self-test.ts'

/** Two maskings at one time, for each of a few sbcs. */
const TESTS_MAX = 8
/** An sbc that does not end its test: a whole one takes four seconds. */
const TEST_MS_MAX = 30_000

/** What a window takes from elsewhere when it belongs to a self-test. */
export type TestWindow = {
  readonly vault: CaptureVault
  readonly metrics: GuardMetrics
  /** Told when the sentinel kept something back in it. */
  readonly alarmed: () => void
}

export type SelfTestsOptions = {
  readonly host: string
  readonly clockMs: () => number
  readonly logger: Logger
  readonly metrics: GuardMetrics
  /** A test that failed, for the audit record. */
  readonly failed: (failed: { readonly windowId: string; readonly code: FailedCode }) => void
}

/** What a guard can find out by itself. */
export type FailedCode = 'leaked' | 'key_lost' | 'no_media' | 'delay' | 'not_direct'

type Running = { readonly owner: object; readonly timer: NodeJS.Timeout; test: SelfTest | null }

/** The self-tests of a guard. A test belongs to the sbc that began it, and ends with it. */
export class SelfTests {
  readonly #options: SelfTestsOptions
  readonly #running = new Map<string, Running>()

  constructor(options: SelfTestsOptions) {
    this.#options = options
  }

  /** What belongs to a window of this id, if a self-test announced it. */
  find(windowId: string): TestWindow | null {
    const test = this.#running.get(windowId)?.test
    if (test === undefined || test === null) return null
    return { vault: test.vault, metrics: alarmsOnly(this.#options.metrics), alarmed: () => test.alarmed() }
  }

  async order(order: SelfTestOrder, owner: object, reply: (message: GuardToSbc) => void): Promise<void> {
    if (order.type === 'selftest.begin') return reply(await this.#begin(order.windowId, owner))
    const running = this.#running.get(order.windowId)
    const test = running?.owner === owner ? running.test : null
    if (test === null) return reply({ type: 'refused', code: 'unknown_window' })
    switch (order.type) {
      case 'selftest.connect':
        test.connect({ payer: order.payer, agent: order.agent })
        return reply(OK)
      case 'selftest.play':
        await test.play()
        return reply(OK)
      case 'selftest.judge': {
        const verdict = await test.judge(order)
        if (verdict.code !== 'ok' && verdict.code !== 'timeout')
          this.#options.failed({ windowId: order.windowId, code: verdict.code })
        return reply({ type: 'selftest.judged', ...verdict })
      }
      case 'selftest.end':
        this.#end(order.windowId)
        return reply(OK)
    }
  }

  /** An sbc is gone, and its tests with it. */
  orphan(owner: object): void {
    for (const [windowId, running] of [...this.#running]) if (running.owner === owner) this.#end(windowId)
  }

  /** Safe to call twice. */
  close(): void {
    for (const windowId of [...this.#running.keys()]) this.#end(windowId)
  }

  async #begin(windowId: string, owner: object): Promise<GuardToSbc> {
    if (this.#running.has(windowId)) return { type: 'refused', code: 'window_exists' }
    if (this.#running.size >= TESTS_MAX) return { type: 'refused', code: 'windows_exhausted' }
    const running: Running = { owner, test: null, timer: setTimeout(() => this.#end(windowId), TEST_MS_MAX) }
    this.#running.set(windowId, running)
    const test = await SelfTest.open(this.#options)
    if (test === null || this.#running.get(windowId) !== running) {
      test?.close()
      this.#end(windowId)
      return { type: 'refused', code: 'no_port' }
    }
    running.test = test
    return { type: 'selftest.ready', ...test.addresses }
  }

  #end(windowId: string): void {
    const running = this.#running.get(windowId)
    if (running === undefined) return
    this.#running.delete(windowId)
    clearTimeout(running.timer)
    running.test?.close()
  }
}

const OK: GuardToSbc = { type: 'ok' }

/** What an operator counts are customers' windows; an alarm is one wherever it is raised. */
function alarmsOnly(metrics: GuardMetrics): GuardMetrics {
  const nothing = () => undefined
  return {
    windows: nothing,
    packet: nothing,
    keyTaken: nothing,
    masked: nothing,
    alarm: (code) => metrics.alarm(code),
    maskingFailed: (cause) => metrics.maskingFailed(cause),
    outcome: nothing,
    late: nothing,
    overflowed: nothing,
  }
}
