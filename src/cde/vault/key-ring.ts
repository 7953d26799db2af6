import { createHmac } from 'node:crypto'
import type { AuditAction, AuditEntry } from './audit-chain.ts'
import { KekFailure, type KeyEncryptionKey } from './key-encryption-key.ts'
import { newSealKey, sealContext, SEAL_KEY_BYTES } from './seal.ts'
import type { KeyPurpose, KeyRecord, KeyRow, Store } from './store.ts'
import { randomLetters } from './token.ts'

/** A key that is open in memory, lent by the ring: use it, never keep it. */
export type OpenKey = { readonly keyId: string; readonly key: Uint8Array }

/**
 * A data key cannot be used. wrong_key: its row does not open with any key-encryption key in use (a wrong one, or a changed database).
 * unavailable: an HSM or KMS is away. sealed: too few custodians have given their shares. shredded: it is no more.
 */
export class KeyFailure extends Error {
  override readonly name = 'KeyFailure'
  readonly code: 'wrong_key' | 'unavailable' | 'sealed' | 'shredded'

  constructor(code: KeyFailure['code']) {
    super('a data key cannot be opened')
    this.code = code
  }
}

/** Open keys at one time: two per merchant and those that were retired. */
const OPEN_KEYS_MAX = 4_096
/** 26^16 names: two keys never get the same. */
const KEY_ID_LETTERS = 16

/**
 * The data keys. Each merchant has one that seals cards and one that makes fingerprints, so that the same card cannot be
 * followed from merchant to merchant; both are random, and are kept wrapped under the key-encryption key. A row of cards
 * names its key, so a key can be rotated while the vault serves: old rows open with the retired key.
 *
 * Calls reject with StoreFailure, or with KeyFailure when a wrapped key does not open.
 */
export class KeyRing {
  readonly #kek: KeyEncryptionKey
  readonly #formerKeks: readonly KeyEncryptionKey[]
  readonly #store: Store
  readonly #nowMs: () => number
  readonly #open = new Map<string, OpenKey>()
  readonly #active = new Map<string, Promise<OpenKey>>()
  #closed = false

  constructor(options: {
    readonly kek: KeyEncryptionKey
    /** They open what they wrapped once. */
    readonly formerKeks?: readonly KeyEncryptionKey[]
    readonly store: Store
    readonly nowMs: () => number
  }) {
    this.#kek = options.kek
    this.#formerKeks = options.formerKeks ?? []
    this.#store = options.store
    this.#nowMs = options.nowMs
  }

  /** Custodians have to give their shares before any key opens. */
  get isSealed(): boolean {
    return [this.#kek, ...this.#formerKeks].some(({ isSealed }) => isSealed)
  }

  get kek(): KeyEncryptionKey {
    return this.#kek
  }

  /** How many keys are open in memory. */
  get size(): number {
    return this.#open.size
  }

  /** Opens or makes both keys of a merchant, so that a wrong key-encryption key is noticed at the start. */
  async prepare(merchant: string): Promise<void> {
    await this.#activeKey(merchant, 'card')
    await this.#activeKey(merchant, 'fingerprint')
  }

  /** The key that seals this merchant's cards today; made when there is none. */
  sealingKey(merchant: string): Promise<OpenKey> {
    return this.#activeKey(merchant, 'card')
  }

  /** HMAC-SHA-256 of a number under the merchant's fingerprint key (PCI DSS 3.5.1.1: a hash of a PAN is keyed). */
  async fingerprint(merchant: string, pan: Uint8Array): Promise<Buffer> {
    const { key } = await this.#activeKey(merchant, 'fingerprint')
    return createHmac('sha256', key).update(pan).digest()
  }

  /** The key that a row names, active or retired. */
  async keyById(keyId: string): Promise<OpenKey> {
    const open = this.#open.get(keyId)
    if (open !== undefined) return open
    const row = await this.#store.keyById(keyId)
    if (row === null) throw new KeyFailure('wrong_key')
    return this.#opened(row)
  }

  /** From now on the merchant's cards are sealed with a new key. Returns its id. */
  async rotateSealingKey(merchant: string): Promise<string> {
    const before = await this.sealingKey(merchant)
    const { row, key } = await this.#newKey(merchant, 'card')
    const now = await this.#store.rotateKey({ row, before: before.keyId, audit: keyAudit('key_rotate', row) })
    const slot = slotOf(merchant, 'card')
    if (now.keyId === row.keyId) this.#active.set(slot, Promise.resolve(this.#keep(row.keyId, key)))
    else {
      key.fill(0)
      this.#active.delete(slot)
    }
    return now.keyId
  }

  /** Asks the store for the merchant's active keys again: another vault has changed them. */
  refresh(merchant: string): void {
    for (const purpose of ['card', 'fingerprint'] as const) this.#active.delete(slotOf(merchant, purpose))
  }

  /**
   * Takes what other vaults have done to the keys since: a key that was shredded is forgotten, one that was rotated is asked for again.
   * Every process on one database calls this every now and then.
   */
  async follow(): Promise<readonly KeyRecord[]> {
    const rows = await this.#store.keys()
    for (const { keyId, merchant, purpose, state } of rows) {
      if (state !== 'shredded') continue
      this.#forget(keyId)
      this.#active.delete(slotOf(merchant, purpose))
    }
    for (const { keyId, merchant, purpose, state } of rows) {
      if (state !== 'active') continue
      const slot = slotOf(merchant, purpose)
      const known = this.#active.get(slot)
      if (known === undefined) continue
      // One that is being opened or made this moment is as new as these rows.
      const open = await known.catch(() => null)
      if (open !== null && open.keyId !== keyId && this.#active.get(slot) === known) this.#active.delete(slot)
    }
    return rows
  }

  /** Wraps every key anew, by the newest version of the key-encryption key. Returns how many. */
  async renew(): Promise<number> {
    if (this.isSealed) throw new KeyFailure('sealed')
    let renewed = 0
    for (const row of await this.#store.keys()) {
      if (row.state === 'shredded') continue
      await this.#wrapAnew(row)
      renewed += 1
    }
    return renewed
  }

  /** Wraps what former key-encryption keys have wrapped with today's. Returns how many keys that were. */
  async rewrap(): Promise<number> {
    if (this.#formerKeks.length === 0 || this.isSealed) return 0
    let rewrapped = 0
    for (const row of await this.#store.keys()) {
      if (row.state === 'shredded' || row.kekId === this.#kek.id) continue
      await this.#wrapAnew(row)
      rewrapped += 1
    }
    return rewrapped
  }

  /** Overwrites these keys, in the store and here: what they sealed is lost for ever. */
  async shred(rows: readonly KeyRow[], audit: readonly AuditEntry[]): Promise<void> {
    await this.#store.shredKeys({ keys: rows, audit })
    for (const row of rows) {
      this.#forget(row.keyId)
      this.#active.delete(slotOf(row.merchant, row.purpose))
    }
  }

  /** Overwrites the open keys and closes the key-encryption key. Safe to call twice. */
  close(): void {
    this.#closed = true
    for (const { key } of this.#open.values()) key.fill(0)
    this.#open.clear()
    this.#active.clear()
    this.#kek.close()
    for (const former of this.#formerKeks) former.close()
  }

  #activeKey(merchant: string, purpose: KeyPurpose): Promise<OpenKey> {
    if (this.#closed) return Promise.reject(new KeyFailure('unavailable'))
    if (this.isSealed) return Promise.reject(new KeyFailure('sealed'))
    const slot = slotOf(merchant, purpose)
    const known = this.#active.get(slot)
    if (known !== undefined) return known
    const opening = this.#findOrMake(merchant, purpose)
    this.#active.set(slot, opening)
    // A failure is not remembered: the next request tries again.
    opening.catch(() => this.#active.delete(slot))
    return opening
  }

  async #findOrMake(merchant: string, purpose: KeyPurpose): Promise<OpenKey> {
    const found = await this.#store.activeKey(merchant, purpose)
    if (found !== null) return this.#open.get(found.keyId) ?? this.#opened(found)
    const { row, key } = await this.#newKey(merchant, purpose)
    const kept = await this.#store.addKey(row, keyAudit('key_create', row))
    if (kept.keyId === row.keyId) return this.#keep(row.keyId, key)
    key.fill(0)
    return this.#opened(kept)
  }

  async #newKey(merchant: string, purpose: KeyPurpose): Promise<{ readonly row: KeyRow; readonly key: Buffer }> {
    const key = newSealKey()
    const named = { keyId: 'key_' + randomLetters(KEY_ID_LETTERS), merchant, purpose, kekId: this.#kek.id }
    const wrapped = await this.#kek.wrap(key, contextOf(named)).catch((error: unknown) => {
      key.fill(0)
      throw failureOf(error)
    })
    return { row: { ...named, wrapped, createdAtMs: this.#nowMs() }, key }
  }

  async #wrapAnew(row: KeyRow): Promise<void> {
    const anew = { ...row, kekId: this.#kek.id }
    const wrapped = await this.#wrappedAnew(row, anew)
    await this.#store.rewrapKey({ row: { ...anew, wrapped }, audit: keyAudit('key_rewrap', row) })
  }

  /** Some services do it without telling the key. */
  async #wrappedAnew(row: KeyRow, anew: KeyRow): Promise<Uint8Array> {
    if (row.kekId === this.#kek.id && this.#kek.renew !== undefined) {
      return this.#kek.renew(row.wrapped).catch((error: unknown) => {
        throw failureOf(error)
      })
    }
    const key = await this.#unwrapped(row)
    try {
      return await this.#kek.wrap(key, contextOf(anew))
    } catch (error) {
      throw failureOf(error)
    } finally {
      key.fill(0)
    }
  }

  async #opened(row: KeyRow): Promise<OpenKey> {
    return this.#keep(row.keyId, await this.#unwrapped(row))
  }

  /** Each is written down, whatever comes of it. */
  async #unwrapped(row: KeyRow): Promise<Buffer> {
    if (row.wrapped.length === 0) throw new KeyFailure('shredded')
    const kek = [this.#kek, ...this.#formerKeks].find(({ id }) => id === row.kekId)
    let failure = new KeyFailure('wrong_key')
    const key = await (kek?.unwrap(row.wrapped, contextOf(row)) ?? Promise.resolve(null)).catch((error: unknown) => {
      failure = failureOf(error)
      return null
    })
    const isGood = key?.length === SEAL_KEY_BYTES
    await this.#store.append({ ...keyAudit('key_unwrap', row), outcome: isGood ? 'done' : 'key_failed' })
    if (!isGood) throw failure
    return key
  }

  #forget(keyId: string): void {
    this.#open.get(keyId)?.key.fill(0)
    this.#open.delete(keyId)
  }

  #keep(keyId: string, key: Buffer): OpenKey {
    const twin = this.#open.get(keyId)
    if (twin !== undefined || this.#closed || this.#open.size >= OPEN_KEYS_MAX) {
      key.fill(0)
      if (twin === undefined) throw new KeyFailure('unavailable')
      return twin
    }
    const open = { keyId, key }
    this.#open.set(keyId, open)
    return open
  }
}

/** What became of a call of the key-encryption key. */
function failureOf(error: unknown): KeyFailure {
  if (!(error instanceof KekFailure)) return new KeyFailure('unavailable')
  return new KeyFailure(error.code === 'kek_sealed' ? 'sealed' : 'unavailable')
}

function slotOf(merchant: string, purpose: KeyPurpose): string {
  return purpose + ' ' + merchant
}

/** Binds a wrapped key to its merchant, purpose, own id and wrapping key, so that rows cannot be exchanged. */
function contextOf(row: Pick<KeyRow, 'keyId' | 'merchant' | 'purpose' | 'kekId'>): Buffer {
  return sealContext({
    purpose: 'data-key',
    keyId: row.kekId,
    merchant: row.merchant,
    row: row.purpose + ' ' + row.keyId,
  })
}

/** What the vault itself did to a key. */
export function keyAudit(action: AuditAction, row: KeyRow): AuditEntry {
  return {
    role: 'vault',
    action,
    outcome: 'done',
    origin: 'local',
    merchant: row.merchant,
    resource: row.keyId,
    windowId: '',
  }
}
