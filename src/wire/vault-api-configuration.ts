import type { HostPort } from './configuration.ts'

/** A merchant whose cards the vault keeps, and what its tokens are like. */
export type MerchantConfiguration = {
  readonly name: string
  /** null: tokens only. */
  readonly connectorUrl: string | null
  readonly tokens: {
    readonly format: 'letters' | 'digits'
    readonly reuse: 'reusable' | 'single'
    /** From the last time that the card was given; null: no time limit. */
    readonly lifetimeSeconds: number | null
  }
}

/**
 * What a client of the vault's API may do, as its certificate says: charge tokens, delete them and see what they stand for; have numbers of cards
 * told; or approve that another has many told.
 */
export const CLIENT_ROLES = ['charger', 'detokenizer', 'approver'] as const
export type ClientRole = (typeof CLIENT_ROLES)[number]

/** Where the vault's API listens for systems of the CDE. */
export type VaultApiConfiguration = HostPort & { readonly clients: readonly VaultClientConfiguration[] }

export type VaultClientConfiguration = {
  readonly name: string
  readonly role: ClientRole
  /** Whose tokens it may ask about. */
  readonly merchants: readonly string[]
  readonly requestsPerMinute: number
  /** Of a detokenizer: card numbers that are told one by one. */
  readonly cardsPerMinute: number
}
