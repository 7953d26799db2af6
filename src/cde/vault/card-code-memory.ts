import { newSealKey, seal, sealContext, unseal } from './seal.ts'

/** A card code that was not used by then is forgotten. */
export const CARD_CODE_MS_MAX = 600_000
/** Codes at one time, far above what one vault serves in ten minutes; the next one is not kept. */
const CODES_MAX = 100_000
/** How often the time limit is enforced. It also holds between sweeps: a code that is too old is never lent. */
const SWEEP_EVERY_MS = 5_000

type Place = { readonly merchant: string; readonly token: string }
type Entry = { readonly sealed: Buffer; readonly keptAtMs: number; readonly origin: string }

/**
 * The only place for card codes (CVV2, CVC2, CID). PCI DSS 3.3.1: never kept after authorization, approved or declined. So
 * they stay in memory, sealed with a key that is made when the process starts and dies with it, until the outcome is
 * known, or for ten minutes. The seal is for swap, dumps and stray reads; it shortens the lifetime of plain digits.
 */
export class CardCodeMemory {
  readonly #key = newSealKey()
  readonly #codes = new Map<string, Entry>()
  /** Tokenize requests whose code was used up: their late repetition must not bring it back. */
  readonly #spent = new Map<string, number>()
  readonly #nowMs: () => number
  readonly #sweeper: NodeJS.Timeout
  #closed = false

  constructor(options: { readonly nowMs: () => number }) {
    this.#nowMs = options.nowMs
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_EVERY_MS)
    this.#sweeper.unref()
  }

  /** How many codes are held, for the gauge. */
  get size(): number {
    return this.#codes.size
  }

  /**
   * Keeps the code that came with a tokenize request, in place of an earlier one. The same request repeated neither prolongs
   * it nor brings back what was used. False when it was not kept.
   */
  keep(code: Uint8Array, place: Place & { readonly idempotencyKey: string }): boolean {
    const name = nameOf(place)
    const origin = place.merchant + ' ' + place.idempotencyKey
    const held = this.#codes.get(name)
    if (held?.origin === origin) return true
    if (this.#closed || this.#spent.has(origin) || (held === undefined && this.#codes.size >= CODES_MAX)) return false
    this.wipe(place)
    this.#codes.set(name, { sealed: seal(code, this.#key, contextOf(place)), keptAtMs: this.#nowMs(), origin })
    return true
  }

  /** A copy of the code, which the caller wipes; empty when there is none. */
  open(place: Place): Buffer {
    const entry = this.#codes.get(nameOf(place))
    if (entry === undefined || this.#isOld(entry.keptAtMs)) return Buffer.alloc(0)
    return unseal(entry.sealed, this.#key, contextOf(place)) ?? Buffer.alloc(0)
  }

  /** Forgets the code of a token. */
  wipe(place: Place): void {
    const entry = this.#codes.get(nameOf(place))
    if (entry === undefined) return
    entry.sealed.fill(0)
    this.#codes.delete(nameOf(place))
    this.#spent.set(entry.origin, this.#nowMs())
  }

  /** Forgets what is past its time. */
  sweep(): void {
    for (const [name, entry] of this.#codes) {
      if (!this.#isOld(entry.keptAtMs)) continue
      entry.sealed.fill(0)
      this.#codes.delete(name)
      this.#spent.set(entry.origin, this.#nowMs())
    }
    for (const [origin, spentAtMs] of this.#spent) if (this.#isOld(spentAtMs)) this.#spent.delete(origin)
  }

  /** Forgets all codes and their key. Safe to call twice. */
  close(): void {
    this.#closed = true
    clearInterval(this.#sweeper)
    for (const { sealed } of this.#codes.values()) sealed.fill(0)
    this.#codes.clear()
    this.#spent.clear()
    this.#key.fill(0)
  }

  #isOld(sinceMs: number): boolean {
    return this.#nowMs() - sinceMs >= CARD_CODE_MS_MAX
  }
}

function nameOf(place: Place): string {
  return place.merchant + ' ' + place.token
}

function contextOf(place: Place): Buffer {
  return sealContext({ purpose: 'card-code', keyId: 'process', merchant: place.merchant, row: place.token })
}
