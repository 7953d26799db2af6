import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../kit/log.ts'
import type { AuditReport, GuardToSbc, SbcToGuard } from '../wire/guard-protocol.ts'
import type { Answer } from '../kit/channel.ts'

/** Acts of people, and refused logins, which the desk limits: more than this unsent means that all guards are away. */
const REPORTS_MAX = 1_000
const ANSWER_MS_MAX = 1_000
const AGAIN_MS = 1_000

export type ReportingGuard = {
  readonly isUp: boolean
  ask(message: SbcToGuard, options: { readonly deadlineMs: number }): Promise<Answer<GuardToSbc>>
}

export type Act = Pick<AuditReport, 'event' | 'cause' | 'by'>

/**
 * What people did outside of the CDE, on its way to the vault's audit chain: by any guard, since no process of this zone speaks to
 * the vault. It is kept here until a guard has taken it, in order; the guard keeps it until the vault has.
 */
export class AuditReports {
  readonly #guards: () => readonly ReportingGuard[]
  readonly #logger: Logger
  readonly #dateMs: () => number
  readonly #againMs: number
  readonly #reports: AuditReport[] = []
  readonly #closing = new AbortController()
  #sending = false

  constructor(options: {
    readonly guards: () => readonly ReportingGuard[]
    readonly logger: Logger
    readonly dateMs: () => number
    readonly againMs?: number
  }) {
    this.#guards = options.guards
    this.#logger = options.logger
    this.#dateMs = options.dateMs
    this.#againMs = options.againMs ?? AGAIN_MS
  }

  add(act: Act): void {
    if (this.#closing.signal.aborted || this.#reports.length === REPORTS_MAX) {
      this.#logger.error(
        { code: 'report_lost', state: act.event },
        'an act is not in the audit record: no guard takes it',
      )
      return
    }
    this.#reports.push({ type: 'audit.report', occurredMs: Math.round(this.#dateMs()), ...act })
    void this.#send()
  }

  /** Safe to call twice. What was not sent is told to the log. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    if (this.#reports.length > 0)
      this.#logger.error({ code: 'report_lost', count: this.#reports.length }, 'acts are not in the audit record')
  }

  /** Never rejects. */
  async #send(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    for (let first = this.#reports[0]; first !== undefined; first = this.#reports[0]) {
      if (this.#closing.signal.aborted) break
      if (await this.#isTaken(first)) this.#reports.shift()
      else await delay(this.#againMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined)
    }
    this.#sending = false
  }

  async #isTaken(report: AuditReport): Promise<boolean> {
    for (const guard of this.#guards().filter(({ isUp }) => isUp)) {
      const answer = await guard.ask(report, { deadlineMs: ANSWER_MS_MAX })
      if (answer.kind === 'reply' && answer.message.type === 'ok') return true
    }
    return false
  }
}
