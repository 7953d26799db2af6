/** Refused tokens that an address may send before it has to wait (PCI DSS 8.3.4 allows ten). */
export const FAILURES_MAX = 10
/** How long it waits from the last of them on: PCI DSS 8.3.4 asks for thirty minutes. Failures are counted together for as long. */
export const WAIT_MS = 1_800_000
/** Addresses remembered; the oldest is forgotten first. */
const ADDRESSES_MAX = 10_000
/** Who has proved itself from an address is known there over a free week. */
const KNOWN_MS_MAX = 14 * 86_400_000
/** Agents with their addresses; the one that was there longest ago is forgotten first. */
const KNOWN_MAX = 50_000

/**
 * Counts refused tokens by address: a wrong token names nobody, so there is no account to lock. A whole office can have one address, and
 * one agent must not keep the others out: who has proved itself from there before is let in with its right token all the while. A
 * session that is open already is not held up by it.
 */
export class LoginLimit {
  readonly #now: () => number
  readonly #failures = new Map<string, { readonly lastMs: number; readonly sinceMs: number; readonly count: number }>()
  /** By address and agent: when it last proved itself from there. */
  readonly #known = new Map<string, number>()

  constructor(options: { readonly now: () => number }) {
    this.#now = options.now
  }

  /** Seconds that this address has to wait before a token of a stranger to it is looked at; 0: none. */
  waitS(address: string): number {
    const failures = this.#failures.get(address)
    if (failures === undefined || failures.count < FAILURES_MAX) return 0
    return Math.max(0, Math.ceil((failures.lastMs + WAIT_MS - this.#now()) / 1_000))
  }

  refused(address: string): void {
    const nowMs = this.#now()
    const before = this.#failures.get(address)
    // Whoever has waited begins anew, however long the ten took.
    const isWaitOver = before !== undefined && before.count >= FAILURES_MAX && this.waitS(address) === 0
    const goesOn = before !== undefined && !isWaitOver && nowMs - before.sinceMs < WAIT_MS
    const { sinceMs, count } = goesOn ? before : { sinceMs: nowMs, count: 0 }
    keepNewest(this.#failures, address, { sinceMs, lastMs: nowMs, count: count + 1 }, ADDRESSES_MAX)
  }

  /** The agent has shown its right token from this address. */
  proved(address: string, agent: string): void {
    keepNewest(this.#known, placeOf(address, agent), this.#now(), KNOWN_MAX)
  }

  knows(address: string, agent: string): boolean {
    const provedMs = this.#known.get(placeOf(address, agent))
    return provedMs !== undefined && this.#now() - provedMs < KNOWN_MS_MAX
  }
}

function placeOf(address: string, agent: string): string {
  return address + ' ' + agent
}

function keepNewest<Value>(map: Map<string, Value>, key: string, value: Value, entriesMax: number): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > entriesMax && oldest !== undefined) map.delete(oldest)
}
