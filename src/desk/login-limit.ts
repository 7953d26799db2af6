/** Refused tokens that an address may send before it has to wait (PCI DSS 8.3.4 allows ten). */
export const FAILURES_MAX = 10
/** How long the failures of an address are counted, and so how long it waits. */
const PERIOD_MS = 300_000
/** Addresses remembered; the oldest is forgotten first. */
const ADDRESSES_MAX = 10_000

/** Counts refused tokens by address. A session that is open already is not held up by it. */
export class LoginLimit {
  readonly #now: () => number
  readonly #failures = new Map<string, { readonly sinceMs: number; readonly count: number }>()

  constructor(options: { readonly now: () => number }) {
    this.#now = options.now
  }

  /** Seconds that this address has to wait before a token of it is looked at; 0: none. */
  waitS(address: string): number {
    const failures = this.#failures.get(address)
    if (failures === undefined || failures.count < FAILURES_MAX) return 0
    return Math.max(0, Math.ceil((failures.sinceMs + PERIOD_MS - this.#now()) / 1_000))
  }

  refused(address: string): void {
    const nowMs = this.#now()
    const before = this.#failures.get(address)
    const running = before !== undefined && nowMs - before.sinceMs < PERIOD_MS
    this.#failures.delete(address)
    this.#failures.set(address, running ? { ...before, count: before.count + 1 } : { sinceMs: nowMs, count: 1 })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > ADDRESSES_MAX && oldest !== undefined) this.#failures.delete(oldest)
  }
}
