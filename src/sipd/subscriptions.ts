import { TimerSet, type Clock } from './clock.ts'
import type { DialogGroup, DialogTable } from './dialog-group.ts'
import { valueOf, type SipMessage, type SipRequest, type SipResponse } from './message.ts'
import { parseParameters } from './header-list.ts'

/** How long the NOTIFYs of a REFER may go on when none of them says how long: a transfer has ended by then. */
const REFER_SECONDS = 180

/** RFC 6665 section 4.2.1.1 leaves it to the event package when nothing is said; most take an hour. */
const SUBSCRIBE_SECONDS = 3_600

/** A peer may be late by its retransmissions (64 * T1). */
const LATE_SECONDS = 32

/** A day; whoever wants longer refreshes. */
const SECONDS_MAX = 86_400

/** Event packages on one dialog, both directions. */
const SUBSCRIPTIONS_MAX = 16

/**
 * The subscriptions that live in one dialog (RFC 6665, and RFC 3515 for REFER), which may outlive its INVITE (RFC 5057).
 * `over` is called when the last of them has ended.
 */
export class Subscriptions {
  readonly #timers: TimerSet<string>
  readonly #running = new Map<string, number>()
  readonly #over: () => void

  constructor(clock: Clock, over: () => void) {
    this.#timers = new TimerSet(clock)
    this.#over = over
  }

  get size(): number {
    return this.#running.size
  }

  /** A SUBSCRIBE or REFER was accepted. `subscriber` is the side that sent it. */
  accepted(subscriber: 'us' | 'peer', request: SipRequest, response: SipResponse): void {
    const key = keyOf(subscriber, request)
    const again = request.method === 'SUBSCRIBE' && this.#running.has(key)
    if (!again && this.#running.size < SUBSCRIPTIONS_MAX) this.#running.set(key, (this.#running.get(key) ?? 0) + 1)
    const written = Number(valueOf(response, 'expires') ?? valueOf(request, 'expires') ?? SUBSCRIBE_SECONDS)
    this.#limit(key, request.method === 'REFER' ? REFER_SECONDS : written)
  }

  /** A NOTIFY was answered; `subscriber` is the side that got it. */
  notified(subscriber: 'us' | 'peer', request: SipRequest, response: SipResponse): void {
    const key = keyOf(subscriber, request)
    if (!this.#running.has(key)) return
    const [state = '', ...rest] = (valueOf(request, 'subscription-state') ?? '').split(';')
    // RFC 6665 section 4.2.2: these answers say that the subscription is gone.
    const gone = response.status === 481 || response.status === 408
    if (gone || state.trim().toLowerCase() === 'terminated') return this.#end(key)
    const expires = parseParameters(rest.join(';')).get('expires')
    if (expires !== undefined) this.#limit(key, Number(expires))
  }

  stop(): void {
    this.#timers.clearAll()
    this.#running.clear()
  }

  #limit(key: string, seconds: number): void {
    if (!this.#running.has(key)) return
    const lasting = Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, SECONDS_MAX) : SECONDS_MAX
    this.#timers.set(key, (lasting + LATE_SECONDS) * 1_000, () => {
      this.#running.set(key, 1)
      this.#end(key)
    })
  }

  #end(key: string): void {
    const left = (this.#running.get(key) ?? 1) - 1
    if (left > 0) return void this.#running.set(key, left)
    this.#timers.clear(key)
    this.#running.delete(key)
    if (this.#running.size === 0) this.#over()
  }
}

/** The subscriptions of a dialog; when the last has ended and no call is in it, the dialog ends. */
export function subscriptionsOf(
  group: DialogGroup,
  core: { readonly clock: Clock; readonly dialogs: DialogTable },
): Subscriptions {
  group.subscriptions ??= new Subscriptions(core.clock, () => {
    if (!group.inviteAlive) core.dialogs.leave(group)
  })
  return group.subscriptions
}

/** Whether the NOTIFY that answers this request comes in its dialog: both open one outside of any (RFC 6665 section 4.4.1). */
export function subscribes(request: SipRequest): boolean {
  return request.method === 'SUBSCRIBE' || request.method === 'REFER'
}

/** One event package of one side; several REFERs are counted, since their ids are optional (RFC 3515 section 2.4.6). */
function keyOf(subscriber: 'us' | 'peer', message: SipMessage): string {
  const refer = message.kind === 'request' && message.method === 'REFER'
  const event = refer ? 'refer' : (valueOf(message, 'event') ?? '').toLowerCase()
  return `${subscriber} ${event.startsWith('refer') ? 'refer' : event.replace(/\s/g, '')}`
}
