import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyRecord, Store } from '../../cde/vault/store.ts'
import { errorFields } from '../../kit/log.ts'
import type { Configuration } from '../../wire/configuration.ts'
import { postgresOptions } from '../vault-store.ts'

/** A key of the vault, without the key. Times are ISO 8601. `expiresAt`: the end of its cryptoperiod, where one is set. */
export type KeyInventoryRow = {
  readonly keyId: string
  readonly merchant: string
  readonly purpose: string
  readonly state: string
  readonly wrappedBy: string
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly endedAt: string | null
}

export type KeyInventory =
  | { readonly kind: 'read'; readonly keys: readonly KeyInventoryRow[] }
  /** For people: why not, and what to do. */
  | { readonly kind: 'unread'; readonly text: string }

const DAY_MS = 86_400_000

/**
 * The keys in the vault's store. A file of SQLite is opened only by its owner: what anybody else leaves beside it, the vault could
 * not open again. Never rejects.
 */
export async function keyInventory(
  configuration: Configuration,
  options: { readonly cryptoperiodDays: number | null; readonly uid?: number } = { cryptoperiodDays: null },
): Promise<KeyInventory> {
  const { cryptoperiodDays, uid = process.getuid?.() ?? -1 } = options
  try {
    const store = await openStore(configuration, uid)
    if (typeof store === 'string') return { kind: 'unread', text: store }
    try {
      return { kind: 'read', keys: (await store.keys()).map((key) => rowOf(key, cryptoperiodDays)) }
    } finally {
      await store.close()
    }
  } catch (error) {
    const { errorName, errorCode } = errorFields(error)
    const text = `The vault’s store cannot be read (${String(errorCode ?? errorName)}): run this as the vault’s user.`
    return { kind: 'unread', text }
  }
}

async function openStore({ vault }: Configuration, uid: number): Promise<Store | string> {
  if (vault.store === 'postgresql' && vault.postgresql !== null) {
    const { openPostgresStore } = await import('../../cde/vault/store-postgres.ts')
    return openPostgresStore({ ...postgresOptions(vault.postgresql), nowMs: Date.now })
  }
  const file = join(vault.folder, 'vault.sqlite')
  if (!existsSync(file)) return 'There is no vault yet: keys are made at its first start.'
  if (statSync(file).uid !== uid) return 'The vault’s file belongs to another user: run this as the vault’s user.'
  const { openSqliteStore } = await import('../../cde/vault/store-sqlite.ts')
  return openSqliteStore({ file, nowMs: Date.now })
}

function rowOf(key: KeyRecord, cryptoperiodDays: number | null): KeyInventoryRow {
  const { keyId, merchant, purpose, state, kekId, createdAtMs, retiredAtMs, shreddedAtMs } = key
  const ends = purpose === 'card' && state === 'active' && cryptoperiodDays !== null
  return {
    keyId,
    merchant,
    purpose,
    state,
    wrappedBy: state === 'shredded' ? '' : kekId,
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: ends ? new Date(createdAtMs + cryptoperiodDays * DAY_MS).toISOString() : null,
    endedAt: dateOf(shreddedAtMs === 0 ? retiredAtMs : shreddedAtMs),
  }
}

function dateOf(ms: number): string | null {
  return ms === 0 ? null : new Date(ms).toISOString()
}
