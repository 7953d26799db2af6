import type { PostgresOptions } from '../../src/cde/vault/postgres-connection.ts'

/** What the bench says to its vault, and hears from it. */
export type ToVault =
  | { readonly type: 'start'; readonly dataDir: string; readonly postgresql: PostgresOptions | null }
  | { readonly type: 'close' }
export type FromVault = { readonly type: 'listening'; readonly port: number } | { readonly type: 'closed' }

/** What the bench says to its clients, and hears from them. */
export type ToClients = {
  readonly type: 'run'
  readonly port: number
  /** Connections, each with one request under way. */
  readonly clients: number
  readonly forMs: number
  /** Index of the first card: none is asked for twice. */
  readonly firstCard: number
}
export type FromClients = {
  readonly type: 'ran'
  /** Tokens that were acknowledged, each of a new card. */
  readonly tokens: number
  readonly refused: number
  readonly ms: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}
