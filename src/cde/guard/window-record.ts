import type { VaultClient } from '../vault-client.ts'
import type { ReportCause } from '../vault-protocol.ts'
import type { AuditOutbox } from './audit-outbox.ts'

/** A vault that is only started again is back by then, and the sbc waits a little longer for the order that this one holds up. */
const RECORD_MS_MAX = 3_000

type OneWindow = { readonly windowId: string; readonly merchant: string }

export type WindowRecorded = 'recorded' | 'not_recorded' | 'unknown_merchant'

/** Windows as the vault's audit chain has them. One that is not recorded takes no key. */
export class WindowRecord {
  readonly #vault: Pick<VaultClient, 'report'>
  readonly #outbox: Pick<AuditOutbox, 'add'>
  readonly #instance: string
  readonly #dateMs: () => number

  constructor(options: {
    readonly vault: Pick<VaultClient, 'report'>
    readonly outbox: Pick<AuditOutbox, 'add'>
    /** The guard's name. */
    readonly instance: string
    readonly dateMs: () => number
  }) {
    this.#vault = options.vault
    this.#outbox = options.outbox
    this.#instance = options.instance
    this.#dateMs = options.dateMs
  }

  /**
   * 'recorded' once it is durable. 'not_recorded' when the vault is away, cannot write, or has too much that was not shipped;
   * 'unknown_merchant' when it takes no card for this one. A window without a form is there for safety, and is not held up: its
   * record follows when the vault takes it.
   */
  async opened(window: OneWindow & { readonly hasForm: boolean }): Promise<WindowRecorded> {
    const { windowId, merchant, hasForm } = window
    const record = { event: 'window_opened', cause: hasForm ? 'capture' : 'mask_only', windowId, merchant } as const
    if (!hasForm) {
      this.#outbox.add(record)
      return 'recorded'
    }
    const report = { ...record, instance: this.#instance, occurredMs: Math.round(this.#dateMs()) }
    const answer = await this.#vault.report(report, { deadlineMs: RECORD_MS_MAX })
    return answer === 'recorded' || answer === 'unknown_merchant' ? answer : 'not_recorded'
  }

  closed(window: OneWindow, cause: Extract<ReportCause, 'released' | 'abandoned' | 'guard_closed'>): void {
    this.#outbox.add({ event: 'window_closed', cause, windowId: window.windowId, merchant: window.merchant })
  }
}
