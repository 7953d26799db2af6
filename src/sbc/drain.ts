import type { Logger } from '../kit/log.ts'
import type { SiteReply } from '../wire/site-protocol.ts'

/** How long a caller is asked to wait; whoever has another site goes there at once (RFC 3261 section 21.5.4). */
export const DRAIN_RETRY_AFTER_S = 30
/** After the last call: its BYEs are acknowledged by then. */
const QUIET_MS = 500

/**
 * Lets a site end without ending a call: no new calls, until the last one has ended or the time is up. A call that is
 * being set up counts; emergency calls go on being taken, and are waited for.
 */
export class Drain {
  readonly #count: () => { readonly calls: number; readonly ringing: number }
  readonly #drained: () => void
  readonly #logger: Logger
  #isOn = false
  #untilMs: number | null = null
  #deadline: NodeJS.Timeout | null = null
  #quiet: NodeJS.Timeout | null = null

  constructor(options: {
    readonly count: () => { readonly calls: number; readonly ringing: number }
    /** Nothing is left to wait for: the site may end. Called once for each drain. */
    readonly drained: () => void
    readonly logger: Logger
  }) {
    this.#count = options.count
    this.#drained = options.drained
    this.#logger = options.logger
  }

  get isOn(): boolean {
    return this.#isOn
  }

  /** seconds: after so many it is over whatever lives; null: never. Ordered again, the new time counts. */
  begin(seconds: number | null): void {
    this.#clear()
    this.#isOn = true
    this.#untilMs = seconds === null ? null : performance.now() + seconds * 1_000
    if (seconds !== null) this.#deadline = setTimeout(() => this.#end('deadline'), seconds * 1_000)
    const { calls } = this.#count()
    this.#logger.warn({ count: calls }, 'draining: no new calls are taken')
    this.check()
  }

  /** Takes calls again. */
  undo(): void {
    if (!this.#isOn) return
    this.#clear()
    this.#isOn = false
    this.#untilMs = null
    this.#logger.warn({}, 'no longer draining: calls are taken again')
  }

  look(): Extract<SiteReply, { readonly type: 'site.state' }> {
    const { calls, ringing } = this.#count()
    const secondsLeft =
      this.#untilMs === null ? null : Math.max(0, Math.ceil((this.#untilMs - performance.now()) / 1_000))
    return { type: 'site.state', draining: this.#isOn, calls, ringing, secondsLeft }
  }

  /** A call, or the set-up of one, has ended. */
  check(): void {
    if (!this.#isOn || this.#quiet !== null || this.#isBusy()) return
    this.#quiet = setTimeout(() => {
      this.#quiet = null
      if (this.#isOn && !this.#isBusy()) this.#end('last_call')
    }, QUIET_MS)
  }

  /** Safe to call twice. */
  close(): void {
    this.#clear()
    this.#isOn = false
  }

  #end(code: 'deadline' | 'last_call'): void {
    this.#clear()
    this.#logger.warn({ code, count: this.#count().calls }, 'drained')
    this.#drained()
  }

  #isBusy(): boolean {
    const { calls, ringing } = this.#count()
    return calls + ringing > 0
  }

  #clear(): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    if (this.#quiet !== null) clearTimeout(this.#quiet)
    this.#deadline = null
    this.#quiet = null
  }
}
