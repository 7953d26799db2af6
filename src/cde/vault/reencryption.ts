import { errorFields, type Logger } from '../../kit/log.ts'
import { keyAudit, type KeyRing } from './key-ring.ts'
import { openCard, sealCard } from './sealed-card.ts'
import type { CardRow, KeyRecord, ResealedCard, Store } from './store.ts'

/** Cards in one transaction: customers wait behind it for a few milliseconds at most. */
const CARDS_IN_STEP = 128
/** At least; else as long as the step took, so that half of the time is others'. */
const PAUSE_MS_MIN = 2
const PAUSE_MS_MAX = 1_000

export type ReencryptionProgress = {
  readonly state: 'idle' | 'running' | 'failed'
  /** Cards that were moved since the vault started. */
  readonly moved: number
  /** Cards that did not open: their rows were changed by somebody. They stay as they are. */
  readonly broken: number
}

/**
 * Moves cards from retired keys to today's, in the background. What is left to do is told by the cards themselves, so that it goes on after
 * kill -9 where it was, and two vaults on one database may do it at once: who comes second moves nothing.
 */
export class Reencryption {
  readonly #options: { readonly store: Store; readonly keyRing: KeyRing; readonly logger: Logger }
  /** Retired keys that seal no card: none can come back under them. */
  readonly #empty = new Set<string>()
  #running: Promise<void> | null = null
  #state: ReencryptionProgress['state'] = 'idle'
  #moved = 0
  #broken = 0
  #closed = false

  constructor(options: { readonly store: Store; readonly keyRing: KeyRing; readonly logger: Logger }) {
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

  /** Ends after the step that is under way. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #runAll(): Promise<void> {
    const { store, logger } = this.#options
    this.#state = 'running'
    try {
      for (const row of await store.keys()) {
        if (row.purpose === 'card' && row.state === 'retired' && !this.#empty.has(row.keyId)) await this.#move(row)
        if (this.#closed) break
      }
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
    for (let isFirst = true; !this.#closed; isFirst = false) {
      const startedMs = performance.now()
      const page = await store.cardsUnder({ keyId: from.keyId, after, limit: CARDS_IN_STEP })
      if (isFirst && page.length > 0) await this.#audit(from, 'begun')
      const last = page.at(-1)
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
    const { keyId, key } = await keyRing.sealingKey(merchant)
    const { key: oldKey } = await keyRing.keyById(from.keyId)
    return page.flatMap((before) => {
      const { token } = before
      const card = openCard(before.sealed, oldKey, { keyId: from.keyId, merchant, token })
      if (card === null) {
        logger.error({ code: 'card_broken', key: from.keyId, merchant }, 'a card does not open with its key')
        return []
      }
      try {
        return [{ before, keyId, sealed: sealCard(card, key, { keyId, merchant, token }) }]
      } finally {
        card.wipe()
      }
    })
  }

  #audit(from: KeyRecord, what: string): Promise<void> {
    const entry = keyAudit('key_reencrypt', from)
    return this.#options.store.append({ ...entry, resource: [from.keyId, what].join(' ') })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
