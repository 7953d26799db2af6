import { TimerSet } from './clock.ts'
import type { Flow } from './flow.ts'
import type { SipResponse } from './message.ts'
import type { NextHop } from './next-hop.ts'
import type { RequestPath } from './request-path.ts'
import type { Attempt, RequestSending } from './request-sending.ts'
import type { SipCore } from './sip-core.ts'
import { cancelOf } from './transaction-client.ts'

export type BranchEvents = {
  provisional(response: SipResponse): void
  /** A 2xx: more than one may come, also after a failure. */
  success(response: SipResponse, flow: Flow): void
  /** Called once, unless a 2xx came first. `answered` is what the target said; undefined: it said nothing. */
  failure(status: number, answered?: { readonly response: SipResponse; readonly flow: Flow }): void
}

export type BranchOptions = {
  readonly hop: NextHop | undefined
  /** The request as it leaves on a flow. */
  readonly build: (flow: Flow) => Attempt
  readonly invite: boolean
  readonly provisionalMs: number | undefined
  readonly finalMs: number | undefined
  readonly events: BranchEvents
}

/** One target of a proxied request: its client transaction, its CANCEL, and timer C (RFC 3261 sections 16.6 to 16.8). */
export class ProxyBranch {
  readonly #core: SipCore
  readonly #path: RequestPath
  readonly #options: BranchOptions
  readonly #timers: TimerSet<'provisional' | 'final' | 'C' | 'cancel'>
  #sending: RequestSending | undefined
  #progress: 'trying' | 'proceeding' | 'final' = 'trying'
  #cancel: 'none' | 'held' | 'sent' = 'none'
  /** The proxy has its outcome; what comes now is only cleared away. */
  #over = false

  constructor(core: SipCore, path: RequestPath, options: BranchOptions) {
    this.#core = core
    this.#path = path
    this.#options = options
    this.#timers = new TimerSet(core.clock)
  }

  /** True while a failure or a success is still to come. */
  get open(): boolean {
    return !this.#over
  }

  start(): void {
    const { hop, provisionalMs, finalMs, invite } = this.#options
    if (hop === undefined) return this.#fail(503)
    if (provisionalMs !== undefined) this.#timers.set('provisional', provisionalMs, () => this.#giveUp())
    if (finalMs !== undefined) this.#timers.set('final', finalMs, () => this.#giveUp())
    if (invite) this.#timers.set('C', this.#core.limits.ringingMs, () => this.#giveUp())
    this.#path.reach(hop, undefined, (flow, reachable, elsewhere) => {
      if (this.#over) return
      if (this.#cancel !== 'none') return this.#fail(487)
      if (flow === undefined || !reachable) return this.#fail(503)
      this.#send(flow, elsewhere)
    })
  }

  /** Ends the branch; its outcome comes as that of any other, at the latest after 64 * T1 (section 16.10). */
  cancel(): void {
    if (this.#progress === 'final' || this.#cancel === 'sent' || !this.#options.invite) return
    this.#sending?.settle()
    // Before a provisional answer there is nothing to cancel yet (section 9.1).
    if (this.#progress === 'trying') {
      this.#cancel = 'held'
      return
    }
    const sending = this.#sending
    if (sending === undefined) return
    this.#cancel = 'sent'
    this.#path.run({
      request: cancelOf(sending.way.request),
      branch: sending.way.branch,
      flow: sending.flow,
      response: () => undefined,
      failed: () => undefined,
    })
    this.#timers.set('cancel', 64 * this.#core.limits.t1Ms, () => {
      sending.abandon()
      this.#final()
      this.#fail(487)
    })
  }

  /** Ends the branch without a word. */
  abandon(): void {
    this.#over = true
    this.#final()
    this.#sending?.abandon()
  }

  #send(flow: Flow, elsewhere: (() => Flow | undefined) | undefined): void {
    const { build } = this.#options
    const sending = this.#path.create({
      ...build(flow),
      elsewhere:
        elsewhere === undefined
          ? undefined
          : () => {
              const next = elsewhere()
              return next === undefined ? undefined : build(next)
            },
      moved: () => {
        this.#progress = 'trying'
      },
      response: (response) => this.#answered(response),
      failed: (failure) => {
        this.#final()
        this.#fail(this.#cancel !== 'none' ? 487 : failure === 'timeout' ? 408 : 503)
      },
    })
    this.#sending = sending
    sending.start()
  }

  #answered(response: SipResponse): void {
    const { events, invite } = this.#options
    if (response.status < 200) {
      if (this.#progress === 'trying') this.#progress = 'proceeding'
      this.#timers.clear('provisional')
      if (this.#cancel === 'held') return this.cancel()
      if (this.#over || this.#cancel !== 'none' || response.status === 100) return
      // Each provisional answer but 100 gives the callee timer C anew (section 16.7 step 2).
      if (invite) this.#timers.set('C', this.#core.limits.ringingMs, () => this.#giveUp())
      events.provisional(response)
      return
    }
    this.#final()
    const flow = this.#sending?.flow
    if (flow === undefined) return
    if (response.status < 300) {
      this.#over = true
      events.success(response, flow)
    } else if (!this.#over) {
      this.#over = true
      events.failure(response.status, { response, flow })
    }
  }

  /** The target took too long: for the proxy that is a 408 (section 16.8), and the target is told with a CANCEL. */
  #giveUp(): void {
    this.cancel()
    if (!this.#options.invite) this.#sending?.abandon()
    this.#fail(408)
  }

  #fail(status: number): void {
    if (this.#over) return
    this.#over = true
    this.#timers.clear('provisional')
    this.#timers.clear('final')
    this.#timers.clear('C')
    this.#options.events.failure(status)
  }

  #final(): void {
    this.#progress = 'final'
    this.#timers.clearAll()
  }
}
