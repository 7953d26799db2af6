import { hostPortText } from '../kit/host-text.ts'
import { lookup, Resolver } from 'node:dns/promises'
import type { Address } from './flow.ts'

export type NaptrRecord = {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly replacement: string
}

export type SrvRecord = {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: string
}

/** `none`: the name has no such record. `failed`: the server could not say. `silent`: no server answered in time. */
export type DnsAnswer<Entry> =
  { readonly kind: 'found'; readonly records: readonly Entry[] } | { readonly kind: 'none' | 'failed' | 'silent' }

/** One try and one repetition, the second twice as long: a server on the same network answers within 100 ms. */
const TRY_MS = 800
const TRIES = 2

/** Records of one answer that are looked at; carriers publish two to sixteen. */
const RECORDS_MAX = 32

/** Names that are remembered. An answer is under 8 kB, so this stays under 8 MB, and mostly under 1 MB. */
const REMEMBERED_MAX = 1_000

/** Questions that may be open at once; more means that the servers do not keep up. */
const QUESTIONS_MAX = 500

/** Node tells the time to live of addresses alone. Carriers publish 30 to 3,600 s for the other records. */
const UNTOLD_KEPT_MS = 30_000
/** A record may ask for more (RFC 2181 section 8), but a mistake in it must not outlive a coffee. */
const KEPT_MS_MAX = 300_000
const NONE_KEPT_MS = 30_000
/** Each call would wait anew for servers that are down. */
const FAILURE_KEPT_MS = 5_000
/** The system has its own cache, or reads a file. */
const SYSTEM_KEPT_MS = 5_000

/** While DNS is down an old answer is better than no call (RFC 8767 section 5). */
const STALE_MS_MAX = 3_600_000
const STALE_KEPT_MS = 30_000

type Kept = { readonly until: number; readonly staleUntil: number; readonly answer: DnsAnswer<unknown> }

/** Asks for DNS records, each question once at a time, and remembers the answers for a bounded time. */
export class DnsClient {
  readonly #resolver = new Resolver({ timeout: TRY_MS, tries: TRIES })
  readonly #system: boolean
  readonly #now: () => number
  readonly #kept = new Map<string, Kept>()
  readonly #asked = new Map<string, Promise<DnsAnswer<unknown>>>()

  /** `servers`: numeric addresses; none: those of the system, and its hosts file. Throws Node's error for another. */
  constructor(options: { readonly servers: readonly Address[]; readonly now?: () => number }) {
    this.#system = options.servers.length === 0
    this.#now = options.now ?? (() => performance.now())
    if (!this.#system) this.#resolver.setServers(options.servers.map(hostPortText))
  }

  naptr(name: string): Promise<DnsAnswer<NaptrRecord>> {
    return this.#ask(`NAPTR ${name}`, UNTOLD_KEPT_MS, async () => await this.#resolver.resolveNaptr(name))
  }

  srv(name: string): Promise<DnsAnswer<SrvRecord>> {
    return this.#ask(`SRV ${name}`, UNTOLD_KEPT_MS, async () => {
      const records = await this.#resolver.resolveSrv(name)
      return records.map(({ name: target, ...rest }) => ({ ...rest, target }))
    })
  }

  /** Numeric addresses of a host, aliases followed: of the servers given, and where they know none, of the hosts file. */
  async addresses(name: string, families: readonly (4 | 6)[]): Promise<DnsAnswer<string>> {
    if (this.#system) return this.#bySystem(name, families)
    const answers = await Promise.all(families.map((family) => this.#family(name, family)))
    const records = answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []))
    if (records.length > 0) return { kind: 'found', records }
    return this.#bySystem(name, families)
  }

  /** Open questions end as failed. */
  close(): void {
    this.#resolver.cancel()
  }

  async #family(name: string, family: 4 | 6): Promise<DnsAnswer<string>> {
    const answer = await this.#ask(`${family === 4 ? 'A' : 'AAAA'} ${name}`, KEPT_MS_MAX, () =>
      family === 4 ? this.#resolver.resolve4(name, { ttl: true }) : this.#resolver.resolve6(name, { ttl: true }),
    )
    return answer.kind === 'found' ? { kind: 'found', records: answer.records.map(({ address }) => address) } : answer
  }

  async #bySystem(name: string, families: readonly (4 | 6)[]): Promise<DnsAnswer<string>> {
    const answer = await this.#ask(`hosts ${name}`, SYSTEM_KEPT_MS, async () => await lookup(name, { all: true }))
    if (answer.kind !== 'found') return answer
    const records = answer.records.filter(({ family }) => families.some((wanted) => wanted === family))
    return records.length === 0 ? { kind: 'none' } : { kind: 'found', records: records.map(({ address }) => address) }
  }

  async #ask<Entry extends object>(
    question: string,
    keptMs: number,
    send: () => Promise<readonly Entry[]>,
  ): Promise<DnsAnswer<Entry>> {
    const key = question.toLowerCase()
    const kept = this.#kept.get(key)
    // A key holds answers of one kind of question only, and so of one type.
    if (kept !== undefined && kept.until > this.#now()) return kept.answer as DnsAnswer<Entry>
    const open = this.#asked.get(key)
    if (open !== undefined) return (await open) as DnsAnswer<Entry>
    if (this.#asked.size >= QUESTIONS_MAX) return { kind: 'failed' }
    const answer = answerOf(send)
    this.#asked.set(key, answer)
    const said = await answer
    this.#asked.delete(key)
    const nowMs = this.#now()
    if (said.kind === 'found' || said.kind === 'none') {
      const forMs = said.kind === 'found' ? lifetimeMs(said.records, keptMs) : NONE_KEPT_MS
      this.#keep(key, { until: nowMs + forMs, staleUntil: nowMs + STALE_MS_MAX, answer: said })
      return said
    }
    if (kept === undefined || kept.staleUntil <= nowMs) {
      this.#keep(key, { until: nowMs + FAILURE_KEPT_MS, staleUntil: nowMs, answer: said })
      return said
    }
    this.#keep(key, { ...kept, until: nowMs + STALE_KEPT_MS })
    return kept.answer as DnsAnswer<Entry>
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= REMEMBERED_MAX && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, kept)
  }
}

/** Node's codes for a name that does not exist, or that has no record of this type. */
const NO_RECORD = new Set(['ENODATA', 'ENOTFOUND'])
const NO_ANSWER = new Set(['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED'])

async function answerOf<Entry>(send: () => Promise<readonly Entry[]>): Promise<DnsAnswer<Entry>> {
  try {
    const records = (await send()).slice(0, RECORDS_MAX)
    return records.length === 0 ? { kind: 'none' } : { kind: 'found', records }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return { kind: NO_RECORD.has(code) ? 'none' : NO_ANSWER.has(code) ? 'silent' : 'failed' }
  }
}

/** The shortest time to live that a record names, in bounds; above 2^31 - 1 it means 0 (RFC 2181 section 8). */
function lifetimeMs(records: readonly object[], untoldMs: number): number {
  let shortest = untoldMs
  for (const record of records) {
    const ttl: unknown = 'ttl' in record ? record.ttl : undefined
    if (typeof ttl !== 'number') continue
    shortest = Math.min(shortest, ttl < 0 || ttl > 2 ** 31 - 1 ? 0 : ttl * 1_000)
  }
  return Math.min(shortest, KEPT_MS_MAX)
}
