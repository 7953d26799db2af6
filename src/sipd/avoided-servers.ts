import type { Clock, Timer } from './clock.ts'
import type { Address, TransportName } from './flow.ts'
import { valueOf, type SipResponse } from './message.ts'

/** How long a server that was silent or unreachable is tried after others; each call would lose 32 s to it. */
const FAILURE_KEPT_MS = 30_000

/** A server may ask for hours (RFC 3261 section 20.33), but a mistake in that must not cost a site its carrier. */
const RETRY_AFTER_MS_MAX = 300_000

const SERVERS_MAX = 1_000

type Server = { readonly transport: TransportName; readonly remote: Address }

/** Servers that failed lately, or asked to be left alone: tried last, while there are others (RFC 3263 section 4.3). */
export class AvoidedServers {
  readonly #clock: Clock
  readonly #servers = new Map<string, Timer>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The server was silent or could not be reached. */
  failed(server: Server): void {
    this.#note(server, FAILURE_KEPT_MS)
  }

  /** A 503: the server is left alone as long as its Retry-After says (RFC 3261 section 21.5.4). */
  refused(server: Server, response: SipResponse): void {
    const seconds = Number(/^\d{1,9}/.exec(valueOf(response, 'retry-after') ?? '')?.[0] ?? 0)
    if (seconds > 0) this.#note(server, Math.min(seconds * 1_000, RETRY_AFTER_MS_MAX))
  }

  has(server: Server): boolean {
    return this.#servers.has(keyOf(server))
  }

  /** The same servers, those to be avoided last. */
  order<Known extends Server>(servers: readonly Known[]): readonly Known[] {
    if (this.#servers.size === 0 || servers.length < 2) return servers
    return [...servers.filter((server) => !this.has(server)), ...servers.filter((server) => this.has(server))]
  }

  #note(server: Server, forMs: number): void {
    const key = keyOf(server)
    const running = this.#servers.get(key)
    if (running === undefined && this.#servers.size >= SERVERS_MAX) return
    running?.cancel()
    this.#servers.set(
      key,
      this.#clock.after(forMs, () => this.#servers.delete(key)),
    )
  }
}

function keyOf({ transport, remote }: Server): string {
  return `${transport} ${remote.host} ${remote.port}`
}
