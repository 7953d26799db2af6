import type { AuditAction, AuditEntry } from './audit-chain.ts'
import { KekFailure, type KeyEncryptionKey } from './key-encryption-key.ts'
import { newSealKey, sealContext, SEAL_KEY_BYTES } from './seal.ts'
import type { KeyRecord, KeyRow, Store } from './store.ts'
import { randomLetters } from './token.ts'

/** A key that is open in memory, lent by the ring: use it, never keep it. */
export type OpenKey = { readonly keyId: string; readonly key: Uint8Array }
/** One that seals cards, and the id of the one that makes their fingerprints. */
export type SealingKey = OpenKey & { readonly fingerprintKeyId: string }
/** `former` are those that some card may still have its fingerprint of. */
export type FingerprintKeys = { readonly current: OpenKey; readonly former: readonly OpenKey[] }

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
/** Another vault may rotate a key in between, and once more; not a third time. */
const TRIES_MAX = 3

/**
 * The data keys. Each merchant has one that seals cards and one that makes fingerprints, so that the same card cannot be
 * followed from merchant to merchant; both are random, and are kept wrapped under the key-encryption key. A row of cards
 * names its key, so a key can be rotated while the vault serves: old rows open with the retired key. The key of cards names
 * the one of fingerprints, which never changes without it: so the key of a card tells whose its fingerprint is.
 *
 * Calls reject with StoreFailure, or with KeyFailure when a wrapped key does not open.
 */
export class KeyRing {
  readonly #kek: KeyEncryptionKey
  readonly #formerKeks: readonly KeyEncryptionKey[]
  readonly #store: Store
  readonly #nowMs: () => number
  readonly #open = new Map<string, OpenKey>()
  /** By merchant: the key that seals, and those that recognize, the active one first. */
  readonly #sealing = new Map<string, Promise<SealingKey>>()
  readonly #recognizing = new Map<string, Promise<readonly OpenKey[]>>()
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

  /** Opens or makes the keys of a merchant, so that a wrong key-encryption key is noticed at the start. */
  async prepare(merchant: string): Promise<void> {
    await this.sealingKey(merchant)
    await this.#recognizingKeys(merchant)
  }

  /** The key that seals this merchant's cards today; made when there is none. */
  sealingKey(merchant: string): Promise<SealingKey> {
    return this.#known(this.#sealing, merchant, () => this.#findOrMakeSealingKey(merchant))
  }

  /** Those of a sealing key. Null when what it names is no more: then it is not today's either. */
  async fingerprintKeys(merchant: string, { fingerprintKeyId }: SealingKey): Promise<FingerprintKeys | null> {
    const find = async (): Promise<FingerprintKeys | null> => {
      const keys = await this.#recognizingKeys(merchant)
      const current = keys.find(({ keyId }) => keyId === fingerprintKeyId)
      return current === undefined ? null : { current, former: keys.filter((key) => key !== current) }
    }
    const found = await find()
    if (found !== null) return found
    this.#recognizing.delete(merchant)
    return find()
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
    const { fingerprintKeyId } = before
    const card = await this.#newKey({ merchant, purpose: 'card', fingerprintKeyId })
    const now = await this.#kept([card], () =>
      this.#store.rotateKey({ row: card.row, before: before.keyId, audit: [keyAudit('key_rotate', card.row)] }),
    )
    this.refresh(merchant)
    return now.keyId
  }

  /**
   * From now on fingerprints are made with a new key, and cards are sealed with a new one that names it. Numbers are recognized by the former
   * ones too, until these are destroyed. Returns the id of the key of fingerprints.
   */
  async rotateFingerprintKey(merchant: string): Promise<string> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const before = await this.sealingKey(merchant)
      const recognizing = await this.#newKey({ merchant, purpose: 'fingerprint', fingerprintKeyId: '' })
      const fingerprintKeyId = recognizing.row.keyId
      const card = await this.#kept([recognizing], () => this.#newKey({ merchant, purpose: 'card', fingerprintKeyId }))
      const rows = [recognizing.row, card.row]
      const now = await this.#kept([recognizing, card], () =>
        this.#store.rotateKey({
          row: card.row,
          before: before.keyId,
          fingerprint: recognizing.row,
          audit: rows.map((row) => keyAudit('key_rotate', row)),
        }),
      )
      this.refresh(merchant)
      // Another vault that was faster has rotated this one too, or the key of cards alone.
      if (now.fingerprintKeyId !== before.fingerprintKeyId) return now.fingerprintKeyId
    }
    throw new KeyFailure('unavailable')
  }

  /** Asks the store for the merchant's keys again: they were changed. */
  refresh(merchant: string): void {
    this.#sealing.delete(merchant)
    this.#recognizing.delete(merchant)
  }

  /**
   * Takes what other vaults have done to the keys since: a key that was shredded is forgotten, one that was rotated is asked for again.
   * Every process on one database calls this every now and then.
   */
  async follow(): Promise<readonly KeyRecord[]> {
    const rows = await this.#store.keys()
    for (const { keyId, merchant, state } of rows)
      if (state === 'shredded' && this.#forget(keyId)) this.refresh(merchant)
    for (const { keyId, merchant, purpose, state } of rows) {
      if (state !== 'active') continue
      const known = purpose === 'card' ? this.#sealing.get(merchant) : this.#recognizing.get(merchant)
      if (known === undefined) continue
      // What is being opened or made this moment is as new as these rows.
      const open = [await known.catch(() => null)].flat()[0] ?? null
      const isSame = known === this.#sealing.get(merchant) || known === this.#recognizing.get(merchant)
      if (open !== null && open.keyId !== keyId && isSame) this.refresh(merchant)
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
      this.refresh(row.merchant)
    }
  }

  /** Overwrites the open keys and closes the key-encryption key. Safe to call twice. */
  close(): void {
    this.#closed = true
    for (const { key } of this.#open.values()) key.fill(0)
    this.#open.clear()
    this.#sealing.clear()
    this.#recognizing.clear()
    this.#kek.close()
    for (const former of this.#formerKeks) former.close()
  }

  #recognizingKeys(merchant: string): Promise<readonly OpenKey[]> {
    return this.#known(this.#recognizing, merchant, () => this.#findOrMakeFingerprintKeys(merchant))
  }

  #known<Value>(known: Map<string, Promise<Value>>, merchant: string, open: () => Promise<Value>): Promise<Value> {
    if (this.#closed) return Promise.reject(new KeyFailure('unavailable'))
    if (this.isSealed) return Promise.reject(new KeyFailure('sealed'))
    const before = known.get(merchant)
    if (before !== undefined) return before
    const opening = open()
    known.set(merchant, opening)
    // A failure is not remembered: the next request tries again.
    opening.catch(() => {
      if (known.get(merchant) === opening) known.delete(merchant)
    })
    return opening
  }

  async #findOrMakeSealingKey(merchant: string): Promise<SealingKey> {
    const found = await this.#store.activeKey(merchant, 'card')
    if (found !== null && found.fingerprintKeyId !== '') return this.#sealingKeyOf(found)
    // There is none, or a vault of an earlier release has made it and names no key of fingerprints: another takes its place.
    this.#recognizing.delete(merchant)
    const fingerprintKeyId = (await this.#recognizingKeys(merchant))[0]?.keyId ?? ''
    const made = await this.#newKey({ merchant, purpose: 'card', fingerprintKeyId })
    const { row } = made
    const kept = await this.#kept([made], () =>
      found === null
        ? this.#store.addKey(row, keyAudit('key_create', row))
        : this.#store.rotateKey({ row, before: found.keyId, audit: [keyAudit('key_rotate', row)] }),
    )
    return this.#sealingKeyOf(kept)
  }

  /** The active one first. */
  async #findOrMakeFingerprintKeys(merchant: string): Promise<readonly OpenKey[]> {
    let rows = await this.#store.readableKeys(merchant, 'fingerprint')
    if (rows[0]?.state !== 'active') {
      const made = await this.#newKey({ merchant, purpose: 'fingerprint', fingerprintKeyId: '' })
      await this.#kept([made], () => this.#store.addKey(made.row, keyAudit('key_create', made.row)))
      rows = await this.#store.readableKeys(merchant, 'fingerprint')
    }
    return Promise.all(rows.map((row) => this.#opened(row)))
  }

  async #sealingKeyOf(row: KeyRow): Promise<SealingKey> {
    return { ...(await this.#opened(row)), fingerprintKeyId: row.fingerprintKeyId }
  }

  async #newKey(slot: Pick<KeyRow, 'merchant' | 'purpose' | 'fingerprintKeyId'>): Promise<NewKey> {
    const key = newSealKey()
    const named = { keyId: 'key_' + randomLetters(KEY_ID_LETTERS), ...slot, kekId: this.#kek.id }
    const wrapped = await this.#kek.wrap(key, contextOf(named)).catch((error: unknown) => {
      key.fill(0)
      throw failureOf(error)
    })
    return { row: { ...named, wrapped, createdAtMs: this.#nowMs() }, key }
  }

  /** Has the store take new keys. Those that it has not taken, since another vault was faster or it failed, are overwritten. */
  async #kept<Result extends KeyRow | NewKey>(made: readonly NewKey[], keep: () => Promise<Result>): Promise<Result> {
    try {
      const taken = await keep()
      if ('key' in taken) return taken
      for (const { row, key } of made) {
        if ([taken.keyId, taken.fingerprintKeyId].includes(row.keyId)) this.#keep(row.keyId, key)
        else key.fill(0)
      }
      return taken
    } catch (error) {
      for (const { key } of made) key.fill(0)
      throw error
    }
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
    return this.#open.get(row.keyId) ?? this.#keep(row.keyId, await this.#unwrapped(row))
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

  /** Whether it was open. */
  #forget(keyId: string): boolean {
    this.#open.get(keyId)?.key.fill(0)
    return this.#open.delete(keyId)
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

type NewKey = { readonly row: KeyRow; readonly key: Buffer }

/** What became of a call of the key-encryption key. */
function failureOf(error: unknown): KeyFailure {
  if (!(error instanceof KekFailure)) return new KeyFailure('unavailable')
  return new KeyFailure(error.code === 'kek_sealed' ? 'sealed' : 'unavailable')
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
