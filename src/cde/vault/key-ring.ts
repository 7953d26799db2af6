import { createHmac } from 'node:crypto'
import type { AuditAction, AuditEntry } from './audit-chain.ts'
import type { KeyEncryptionKey } from './key-encryption-key.ts'
import { newSealKey, sealContext, SEAL_KEY_BYTES } from './seal.ts'
import type { KeyPurpose, KeyRow, Store } from './store.ts'
import { randomLetters } from './token.ts'

/** A key that is open in memory, lent by the ring: use it, never keep it. */
export type OpenKey = { readonly keyId: string; readonly key: Uint8Array }

/** A key row does not open with the key-encryption key in use: a wrong key file, or a changed database. */
export class KeyFailure extends Error {
  override readonly name = 'KeyFailure'

  constructor() {
    super('a data key cannot be opened')
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
  readonly #store: Store
  readonly #nowMs: () => number
  readonly #open = new Map<string, OpenKey>()
  readonly #active = new Map<string, Promise<OpenKey>>()
  #closed = false

  constructor(options: { readonly kek: KeyEncryptionKey; readonly store: Store; readonly nowMs: () => number }) {
    this.#kek = options.kek
    this.#store = options.store
    this.#nowMs = options.nowMs
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
    if (row === null) throw new KeyFailure()
    return this.#unwrap(row)
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

  /** Overwrites the open keys and closes the key-encryption key. Safe to call twice. */
  close(): void {
    this.#closed = true
    for (const { key } of this.#open.values()) key.fill(0)
    this.#open.clear()
    this.#active.clear()
    this.#kek.close()
  }

  #activeKey(merchant: string, purpose: KeyPurpose): Promise<OpenKey> {
    if (this.#closed) return Promise.reject(new KeyFailure())
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
    if (found !== null) return this.#unwrap(found)
    const { row, key } = await this.#newKey(merchant, purpose)
    const kept = await this.#store.addKey(row, keyAudit('key_create', row))
    if (kept.keyId === row.keyId) return this.#keep(row.keyId, key)
    key.fill(0)
    return this.#unwrap(kept)
  }

  async #newKey(merchant: string, purpose: KeyPurpose): Promise<{ readonly row: KeyRow; readonly key: Buffer }> {
    const key = newSealKey()
    const named = { keyId: 'key_' + randomLetters(KEY_ID_LETTERS), merchant, purpose, kekId: this.#kek.id }
    const wrapped = await this.#kek.wrap(key, contextOf(named))
    return { row: { ...named, wrapped, createdAtMs: this.#nowMs() }, key }
  }

  async #unwrap(row: KeyRow): Promise<OpenKey> {
    const key = row.kekId === this.#kek.id ? await this.#kek.unwrap(row.wrapped, contextOf(row)) : null
    const isGood = key?.length === SEAL_KEY_BYTES
    await this.#store.append({ ...keyAudit('key_unwrap', row), outcome: isGood ? 'done' : 'key_failed' })
    if (!isGood) throw new KeyFailure()
    return this.#keep(row.keyId, key)
  }

  #keep(keyId: string, key: Buffer): OpenKey {
    const twin = this.#open.get(keyId)
    if (twin !== undefined || this.#closed || this.#open.size >= OPEN_KEYS_MAX) {
      key.fill(0)
      if (twin === undefined) throw new KeyFailure()
      return twin
    }
    const open = { keyId, key }
    this.#open.set(keyId, open)
    return open
  }
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

function keyAudit(action: AuditAction, row: KeyRow): AuditEntry {
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
