import type { Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { VaultClient } from '../vault-client.ts'
import type { ReportRequest } from '../vault-protocol.ts'

/** Each guard has 1,000 windows at most, and tells of each twice. Of more failures of masking the first are those that say it. */
const RECORDS_MAX = 2_000
const SEND_DEADLINE_MS = 2_000
/** Between attempts while the vault is away. */
const AGAIN_MS = 1_000

export type AuditRecordToSend = Omit<ReportRequest, 'type' | 'occurredMs' | 'instance'> & {
  /** When it happened, and to whom, where that was not here and now. */
  readonly occurredMs?: number
  readonly instance?: string
}

export type AuditOutboxOptions = {
  readonly vault: Pick<VaultClient, 'report'>
  /** The guard's name. */
  readonly instance: string
  readonly dateMs: () => number
  readonly logger: Logger
  readonly metrics: Metrics
  readonly againMs?: number
}

/**
 * Reports on their way to the vault's audit chain, in order. What the vault does not take now is kept and sent again until
 * it does; the log and the metrics have said it at once. A guard that ends takes with it what was not sent.
 */
export class AuditOutbox {
  readonly #options: AuditOutboxOptions
  readonly #records: Omit<ReportRequest, 'type'>[] = []
  readonly #unsent: { set(count: number): void }
  readonly #lost: { inc(): void }
  #sending = false
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(options: AuditOutboxOptions) {
    this.#options = options
    this.#unsent = options.metrics.gauge('tonewall_guard_audit_unsent', 'Reports that the vault has not taken yet')
    this.#lost = options.metrics.counter('tonewall_guard_audit_lost_total', 'Reports that the vault will never have')
  }

  /** Returns false when there is no room for it. */
  add(record: AuditRecordToSend): boolean {
    const { instance, dateMs } = this.#options
    if (this.#closed || this.#records.length === RECORDS_MAX) {
      this.#lost.inc()
      return false
    }
    this.#records.push({ instance, occurredMs: Math.round(dateMs()), ...record })
    this.#unsent.set(this.#records.length)
    void this.#send()
    return true
  }

  /** Safe to call twice. */
  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    if (this.#sending || this.#closed) return
    this.#sending = true
    for (let first = this.#records[0]; first !== undefined; first = this.#records[0]) {
      const answer = await this.#options.vault.report(first, { deadlineMs: SEND_DEADLINE_MS })
      if (this.#isClosed()) return
      if (answer === 'unavailable') break
      if (answer !== 'recorded') {
        this.#lost.inc()
        this.#options.logger.error({ code: 'report_refused', windowId: first.windowId }, 'the vault refused a report')
      }
      this.#records.shift()
      this.#unsent.set(this.#records.length)
    }
    this.#sending = false
    if (this.#records.length === 0) return
    this.#timer = setTimeout(() => void this.#send(), this.#options.againMs ?? AGAIN_MS)
  }

  #isClosed(): boolean {
    return this.#closed
  }
}
