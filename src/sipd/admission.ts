import { BlockList, isIP } from 'node:net'
import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import { isScanner } from '../kit/scanner-names.ts'
import type { Clock } from './clock.ts'

/** Who may send requests here. `drop`: others hear nothing, as if nobody were here. `refuse`: the application says 403. */
export type AdmissionPolicy = {
  /** Addresses and CIDR ranges of all peers. */
  readonly sources: readonly string[]
  readonly strangers: 'drop' | 'refuse'
}

export type DropReason = 'stranger' | 'scanner' | 'connection'

/** Sources that a line is written for in one minute: scanners come from everywhere, and the metric counts all. */
const LINES_PER_MINUTE_MAX = 100
const MINUTE_MS = 60_000

/**
 * Decides what of the network is not even looked at. An answer of any kind, 403 included, tells a scanner that a SIP
 * server is here, and it comes back with thousands of tries.
 */
export class Admission {
  #policy: AdmissionPolicy
  #known: BlockList
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #dropped: { inc(labels: { readonly why: DropReason }): void }
  /** Sources with a line in this minute. */
  readonly #told = new Set<string>()

  constructor(options: {
    readonly policy: AdmissionPolicy
    readonly logger: Logger
    readonly metrics: Metrics
    readonly clock: Clock
  }) {
    this.#policy = options.policy
    this.#known = blockList(options.policy.sources)
    this.#logger = options.logger
    this.#clock = options.clock
    this.#dropped = options.metrics.counter(
      'tonewall_sipd_dropped_total',
      'Requests and connections that were dropped without an answer: no source of a trunk, or a known scanner',
      ['why'],
    )
  }

  /** Another policy; what is connected stays so. */
  use(policy: AdmissionPolicy): void {
    this.#known = blockList(policy.sources)
    this.#policy = policy
  }

  /** False for a connection that is to be closed at once. */
  takesConnection(host: string | undefined): boolean {
    if (!this.dropsSource(host ?? '')) return true
    this.drop('connection', host ?? '')
    return false
  }

  /** True when what this source begins is dropped; what belongs to a call of ours is not. */
  dropsSource(host: string): boolean {
    if (this.#policy.strangers === 'refuse') return false
    const family = isIP(host)
    return family === 0 || !this.#known.check(host, family === 6 ? 'ipv6' : 'ipv4')
  }

  /** True for a program that searches for servers, whatever address it has. */
  dropsProgram(userAgent: string | undefined): boolean {
    return this.#policy.strangers === 'drop' && isScanner(userAgent)
  }

  /** Counts, and writes a line for each source once a minute. */
  drop(why: DropReason, host: string): void {
    this.#dropped.inc({ why })
    if (this.#told.size >= LINES_PER_MINUTE_MAX || this.#told.has(host)) return
    if (this.#told.size === 0) this.#clock.after(MINUTE_MS, () => this.#told.clear())
    this.#told.add(host)
    this.#logger.warn({ code: why, address: host }, 'dropped without an answer; trunks[].sources says who is heard')
  }
}

function blockList(sources: readonly string[]): BlockList {
  const list = new BlockList()
  for (const source of sources) {
    const [address = '', bits] = source.split('/')
    const family = isIP(address)
    if (family === 0) continue
    if (bits === undefined) list.addAddress(address, family === 6 ? 'ipv6' : 'ipv4')
    else list.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}
