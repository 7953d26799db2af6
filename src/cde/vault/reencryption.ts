import { errorFields, type Logger } from '../../kit/log.ts'
import { fingerprintOf } from './fingerprint.ts'
import { keyAudit, KeyFailure, type KeyRing } from './key-ring.ts'
import { openCard, sealCard } from './sealed-card.ts'
import type { CardRow, KeyRecord, ResealedCard, Store } from './store.ts'

/** Cards in one transaction: customers wait behind it for a few milliseconds at most. */
const CARDS_IN_STEP = 128
/** At least; else as long as the step took, so that half of the time is others'. */
const PAUSE_MS_MIN = 2
const PAUSE_MS_MAX = 1_000
/** The clocks of vaults on one database are not further apart, and no transaction is that old. */
const CLOCKS_APART_MS = 3_600_000

export type ReencryptionProgress = {
  readonly state: 'idle' | 'running' | 'failed'
  /** Cards that were moved since the vault started. */
  readonly moved: number
  /** Cards that did not open: their rows were changed by somebody. They stay as they are. */
  readonly broken: number
}

export type ReencryptionOptions = {
  readonly store: Store
  readonly keyRing: KeyRing
  readonly logger: Logger
  readonly nowMs: () => number
}

/**
 * Moves cards from retired keys to today's, in the background, and makes their fingerprints anew. A retired key of fingerprints is destroyed
 * when no card that opens, and no answer to an idempotency key, is left of its time. What is left to do is told by the cards themselves, so that it goes on after
 * kill -9 where it was, and two vaults on one database may do it at once: who comes second moves nothing.
 */
export class Reencryption {
  readonly #options: ReencryptionOptions
  /** Retired keys that seal no card: none can come back under them. */
  readonly #empty = new Set<string>()
  /** Retired keys of fingerprints that cards have which do not open: they stay. */
  readonly #held = new Set<string>()
  #running: Promise<void> | null = null
  #state: ReencryptionProgress['state'] = 'idle'
  #moved = 0
  #broken = 0
  #closed = false

  constructor(options: ReencryptionOptions) {
    this.#options = options
  }

  get progress(): ReencryptionProgress {
    return { state: this.#state, moved: this.#moved, broken: this.#broken }
  }

  /** Resolves when nothing is left that can be moved, or it failed. One at a time; never rejects. */
  run(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  /** Whether it should run, though no key was rotated here: a key of fingerprints waits to be destroyed. */
  isDue(rows: readonly KeyRecord[]): boolean {
    return rows.some((row) => this.#isOld(row) && !this.#held.has(row.keyId))
  }

  /** Ends after the step that is under way. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #runAll(): Promise<void> {
    const { store, logger } = this.#options
    this.#state = 'running'
    try {
      const rows = await store.keys()
      for (const row of rows) {
        if (row.purpose === 'card' && row.state === 'retired' && !this.#empty.has(row.keyId)) await this.#move(row)
        if (this.#closed) break
      }
      for (const row of rows) if (!this.#closed && this.#isOld(row)) await this.#destroy(row, rows)
      this.#state = 'idle'
    } catch (error) {
      this.#state = 'failed'
      if (!this.#closed)
        logger.error({ code: 'reencryption_failed', ...errorFields(error) }, 'cards keep their old key')
    }
  }

  async #move(from: KeyRecord): Promise<void> {
    const { store, logger } = this.#options
    let after = ''
    let moved = 0
    let broken = 0
    let passedOver = 0
    for (let isFirst = true; !this.#closed; isFirst = false) {
      const startedMs = performance.now()
      const page = await store.cardsUnder({ keyId: from.keyId, after, limit: CARDS_IN_STEP })
      if (isFirst && page.length > 0) await this.#audit(from, 'begun')
      const last = page.at(-1)
      if (last === undefined && passedOver > 0) {
        // A key was rotated meanwhile, or cards were used: what was passed over is looked at again.
        this.#broken -= broken
        passedOver = 0
        broken = 0
        after = ''
        this.#options.keyRing.refresh(from.merchant)
        await pause(PAUSE_MS_MIN)
        continue
      }
      if (last === undefined) {
        if (broken === 0) this.#empty.add(from.keyId)
        if (isFirst) return
        await this.#audit(from, ['moved', String(moved)].join(' '))
        logger.info({ key: from.keyId, merchant: from.merchant, count: moved }, 'cards were moved to a new key')
        return
      }
      const resealed = await this.#reseal(page, from)
      broken += page.length - resealed.length
      this.#broken += page.length - resealed.length
      const kept = await store.resealCards(resealed)
      moved += kept
      passedOver += resealed.length - kept
      this.#moved += kept
      after = last.token
      await pause(Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, performance.now() - startedMs)))
    }
  }

  /** Those that open. Number and expiry are in memory for one card at a time. */
  async #reseal(page: readonly CardRow[], from: KeyRecord): Promise<readonly ResealedCard[]> {
    const { keyRing, logger } = this.#options
    const { merchant } = from
    // Asked for at each step: a key that was rotated or shredded meanwhile must not be used.
    const sealing = await keyRing.sealingKey(merchant)
    const { keyId, key } = sealing
    const fingerprintKeys = await keyRing.fingerprintKeys(merchant, sealing)
    if (fingerprintKeys === null) throw new KeyFailure('unavailable')
    const { key: oldKey } = await keyRing.keyById(from.keyId)
    return page.flatMap((before) => {
      const { token } = before
      const card = openCard(before.sealed, oldKey, { keyId: from.keyId, merchant, token })
      if (card === null) {
        logger.error({ code: 'card_broken', key: from.keyId, merchant }, 'a card does not open with its key')
        return []
      }
      try {
        const fingerprint = fingerprintOf(card.pan, fingerprintKeys.current)
        return [{ before, keyId, sealed: sealCard(card, key, { keyId, merchant, token }), fingerprint }]
      } finally {
        card.wipe()
      }
    })
  }

  #isOld({ purpose, state, retiredAtMs }: KeyRecord): boolean {
    const isRetired = purpose === 'fingerprint' && state === 'retired'
    return isRetired && this.#options.nowMs() > retiredAtMs + CLOCKS_APART_MS
  }

  /** Cards whose own key was shredded cannot be moved, and do not hold it: who comes again with one gets another token. */
  async #destroy(old: KeyRecord, rows: readonly KeyRecord[]): Promise<void> {
    const { store, keyRing, logger } = this.#options
    // What names no key, as an earlier release made it, may go with any.
    const named = rows.filter(
      ({ merchant, purpose, state, fingerprintKeyId }) =>
        merchant === old.merchant &&
        purpose === 'card' &&
        state !== 'shredded' &&
        [old.keyId, ''].includes(fingerprintKeyId),
    )
    if (!named.every(({ keyId }) => this.#empty.has(keyId))) {
      this.#held.add(old.keyId)
      return
    }
    this.#held.delete(old.keyId)
    // The digests of requests are fingerprints too, and are forgotten after a day.
    const oldestMs = await store.oldestRequestMs()
    if (oldestMs !== null && oldestMs <= old.retiredAtMs + CLOCKS_APART_MS) return
    if (!(await store.leads())) return
    await keyRing.shred([old], [keyAudit('key_shred', old)])
    logger.info({ key: old.keyId, merchant: old.merchant }, 'a key of fingerprints that no card needs was destroyed')
  }

  #audit(from: KeyRecord, what: string): Promise<void> {
    const entry = keyAudit('key_reencrypt', from)
    return this.#options.store.append({ ...entry, resource: [from.keyId, what].join(' ') })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
