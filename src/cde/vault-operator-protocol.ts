import { merchantShape } from '../wire/window-progress.ts'
import type { KeyEntry } from './vault/key-inventory.ts'
import type { ReencryptionProgress } from './vault/reencryption.ts'

/**
 * What an operator may say to a vault that runs, over the mutual TLS channel, with the operator's certificate. No order holds a key. The
 * share of a custodian is in the binary body of `unseal`, never in JSON.
 */
export type VaultOrder = { readonly type: 'operator' } & (
  | { readonly order: 'keys' | 'reencrypt' | 'rewrap' | 'seal_state' | 'unseal' }
  /** A new key of fingerprints brings a new key of cards. */
  | { readonly order: 'rotate'; readonly merchant: string; readonly purpose: 'card' | 'fingerprint' }
  /** Twice: the first answer holds the code that the second order must bring. */
  | {
      readonly order: 'shred'
      readonly merchant: string
      /** One key of the merchant; null: all of them. */
      readonly keyId: string | null
      readonly confirmation: string | null
    }
)

export type VaultOrderReply = { readonly type: 'operator' } & (
  | { readonly kind: 'keys'; readonly keys: readonly KeyEntry[]; readonly reencryption: ReencryptionProgress }
  | { readonly kind: 'done'; readonly count: number }
  | {
      readonly kind: 'confirm'
      readonly confirmation: string
      readonly keys: number
      readonly cards: number
    }
  | { readonly kind: 'seal_state'; readonly isSealed: boolean; readonly given: number; readonly threshold: number }
  | { readonly kind: 'refused'; readonly code: OrderRefusal }
)

export const ORDER_REFUSALS = [
  'malformed',
  'unknown_merchant',
  'unknown_key',
  'nothing_to_shred',
  'confirmation_wrong', // or older than five minutes, or the keys have changed since
  'sealed',
  'not_sealed',
  'share_wrong', // it is no share of this key
  'share_repeated',
  'key_failed',
  'store_failed',
] as const
export type OrderRefusal = (typeof ORDER_REFUSALS)[number]

const KEY_ID = /^key_[a-z]{16}$/
const CONFIRMATION = /^[a-z]{8}$/

type Fields = Readonly<Record<'type' | 'order' | 'merchant' | 'purpose' | 'keyId' | 'confirmation', unknown>>

/** Null for anything that is not exactly an order. */
export function parseVaultOrder(value: unknown): VaultOrder | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, order, merchant, purpose, keyId, confirmation } = value as Fields
  const fields = Object.keys(value).length
  if (type !== 'operator') return null
  if (order === 'keys' || order === 'reencrypt' || order === 'rewrap' || order === 'seal_state' || order === 'unseal') {
    return fields === 2 ? { type, order } : null
  }
  if (!merchantShape(merchant)) return null
  if (order === 'rotate') {
    const isKnown = fields === 4 && (purpose === 'card' || purpose === 'fingerprint')
    return isKnown ? { type, order, merchant, purpose } : null
  }
  if (order !== 'shred' || fields !== 5) return null
  if (!isOrNull(keyId, KEY_ID) || !isOrNull(confirmation, CONFIRMATION)) return null
  return { type, order, merchant, keyId, confirmation }
}

/** By its shape: it comes from the vault, which proved its role. Null for anything else. */
export function parseVaultOrderReply(value: unknown): VaultOrderReply | null {
  if (typeof value !== 'object' || value === null) return null
  const { type, kind } = value as { readonly type?: unknown; readonly kind?: unknown }
  if (type !== 'operator' || typeof kind !== 'string' || !KINDS.includes(kind)) return null
  return value as VaultOrderReply
}

const KINDS: readonly string[] = ['keys', 'done', 'confirm', 'seal_state', 'refused']

function isOrNull(value: unknown, pattern: RegExp): value is string | null {
  return value === null || (typeof value === 'string' && pattern.test(value))
}
