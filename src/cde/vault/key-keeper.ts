import { randomBytes } from 'node:crypto'
import { errorFields, type Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import { keyInventory, periodEndOf, type KeyEntry } from './key-inventory.ts'
import { KeyFailure, type KeyRing } from './key-ring.ts'
import { Reencryption } from './reencryption.ts'
import type { KeyRecord, Store } from './store.ts'

/** What another vault does to the keys is known this soon; a card is never sealed with an old key in between. */
const FOLLOW_EVERY_MS = 2_000
/** An HSM or KMS that is away is known this soon, though nothing needs it then. */
const PROBE_EVERY_MS = 60_000
const PROBE_BYTES = 32
const PROBE_CONTEXT = Buffer.from('tonewall-vault probe')
const SECOND_MS = 1_000

export type KeyKeeperOptions = {
  readonly store: Store
  readonly keyRing: KeyRing
  readonly cryptoperiodDays: number
  readonly logger: Logger
  readonly metrics: Metrics
  readonly nowMs: () => number
}

/**
 * Looks after the keys while the vault serves: follows what other vaults do to them, rotates those whose period is over, moves cards to new
 * keys, and tells metrics and log when the key-encryption key cannot be reached.
 */
export class KeyKeeper {
  readonly reencryption: Reencryption
  readonly #options: KeyKeeperOptions
  readonly #gauges: ReturnType<typeof gaugesOf>
  #following: NodeJS.Timeout | null = null
  #probing: NodeJS.Timeout | null = null
  #turn: Promise<void> | null = null
  #isReachable = true
  #isClosed = false

  constructor(options: KeyKeeperOptions) {
    this.#options = options
    this.reencryption = new Reencryption(options)
    this.#gauges = gaugesOf(options.metrics)
    this.#gauges.reachable.set(1)
  }

  /** From here on it works by itself. */
  start(): void {
    this.#following = setInterval(() => void this.look(), FOLLOW_EVERY_MS)
    this.#probing = setInterval(() => {
      void this.probe()
      void this.goOn()
    }, PROBE_EVERY_MS)
    this.#following.unref()
    this.#probing.unref()
    void this.look().then(() => this.reencryption.run())
  }

  /** One turn: follow, count, rotate what is due. Never rejects. */
  look(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#turn ??= this.#look().finally(() => {
      this.#turn = null
    })
    return this.#turn
  }

  /** Re-encrypts again where that failed, or where a key of fingerprints may have come to its end. Never rejects. */
  async goOn(): Promise<void> {
    const { store, keyRing, logger } = this.#options
    if (keyRing.isSealed) return
    try {
      const isNeeded = this.reencryption.progress.state === 'failed' || this.reencryption.isDue(await store.keys())
      if (isNeeded) await this.reencryption.run()
    } catch (error) {
      if (!this.#isClosed)
        logger.error({ code: 'keys_not_followed', ...errorFields(error) }, 'the keys could not be looked after')
    }
  }

  async inventory(): Promise<readonly KeyEntry[]> {
    const { store, keyRing, cryptoperiodDays, nowMs } = this.#options
    const rows = await store.keys()
    const cards = new Map<string, number>()
    for (const { keyId, purpose } of rows) if (purpose === 'card') cards.set(keyId, await store.countCards(keyId))
    return keyInventory(rows, { kek: keyRing.kek, cryptoperiodDays, cards, nowMs: nowMs() })
  }

  /** Whether the key-encryption key can be used now. The vault serves on without, with the keys that are open. Never rejects. */
  async probe(): Promise<boolean> {
    const { keyRing, logger } = this.#options
    if (keyRing.isSealed) return false
    let reason = ''
    try {
      const key = randomBytes(PROBE_BYTES)
      const opened = await keyRing.kek.unwrap(await keyRing.kek.wrap(key, PROBE_CONTEXT), PROBE_CONTEXT)
      if (opened?.equals(key) !== true) reason = 'it opens something else'
    } catch (error) {
      reason = error instanceof Error && 'detail' in error ? String(error.detail) : 'unknown'
    }
    const isReachable = reason === ''
    this.#gauges.reachable.set(isReachable ? 1 : 0)
    if (isReachable && !this.#isReachable) logger.info({}, 'the key-encryption key can be used again')
    if (!isReachable && this.#isReachable) {
      logger.error(
        { code: 'kek_unreachable', state: reason },
        'the key-encryption key cannot be used: the vault serves on with the keys that are open, and cannot start again or rotate',
      )
    }
    this.#isReachable = isReachable
    return isReachable
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#following !== null) clearInterval(this.#following)
    if (this.#probing !== null) clearInterval(this.#probing)
    await this.#turn
    await this.reencryption.close()
  }

  async #look(): Promise<void> {
    const { keyRing, logger } = this.#options
    this.#gauges.sealed.set(keyRing.isSealed ? 1 : 0)
    if (keyRing.isSealed) return
    try {
      const rows = await keyRing.follow()
      this.#count(rows)
      const due = rows.filter((row) => row.state === 'active' && this.#isOver(row))
      for (const row of due) await this.#rotate(row)
      if (due.length === 0) return
      this.#count(await keyRing.follow())
      void this.reencryption.run()
    } catch (error) {
      if (this.#isClosed) return
      if (error instanceof KeyFailure && error.code === 'unavailable') await this.probe()
      else logger.error({ code: 'keys_not_followed', ...errorFields(error) }, 'the keys could not be looked after')
    }
  }

  /** With a key of fingerprints the key of cards is rotated too, and another vault may have been faster. */
  async #rotate({ keyId, merchant, purpose }: KeyRecord): Promise<void> {
    const { keyRing } = this.#options
    const active = await keyRing.sealingKey(merchant)
    if (purpose === 'fingerprint' && active.fingerprintKeyId === keyId) await keyRing.rotateFingerprintKey(merchant)
    if (purpose === 'card' && active.keyId === keyId) await keyRing.rotateSealingKey(merchant)
  }

  #count(rows: readonly KeyRecord[]): void {
    const { cryptoperiodDays, nowMs } = this.#options
    const active = rows.filter(({ state }) => state === 'active')
    const ends = active.map((row) => periodEndOf(row, cryptoperiodDays))
    if (ends.length > 0) this.#gauges.periodEnds.set(Math.min(...ends) / SECOND_MS)
    this.#gauges.overdue.set(ends.filter((endsAtMs) => nowMs() >= endsAtMs).length)
    for (const state of ['active', 'retired', 'shredded'] as const) {
      this.#gauges.keys.set({ state }, rows.filter((row) => row.state === state).length)
    }
    this.#gauges.moved.set(this.reencryption.progress.moved)
  }

  #isOver(row: KeyRecord): boolean {
    return this.#options.nowMs() >= periodEndOf(row, this.#options.cryptoperiodDays)
  }
}

function gaugesOf(metrics: Metrics) {
  return {
    reachable: metrics.gauge('tonewall_vault_kek_reachable', 'One while the key-encryption key can be used'),
    sealed: metrics.gauge('tonewall_vault_sealed', 'One until enough custodians have given their shares'),
    keys: metrics.gauge('tonewall_vault_keys', 'Data keys by state', ['state']),
    overdue: metrics.gauge('tonewall_vault_keys_overdue', 'Active keys past the end of their period'),
    periodEnds: metrics.gauge(
      'tonewall_vault_key_period_ends_timestamp_seconds',
      'When the first active key is past its period, in seconds since 1970',
    ),
    moved: metrics.gauge('tonewall_vault_cards_moved', 'Cards that were moved to a new key since the vault started'),
  }
}
