import { composeCardBody, type Card } from '../../../src/cde/card-body.ts'
import type { VaultReply } from '../../../src/cde/vault-protocol.ts'
import type { KeyEncryptionKey } from '../../../src/cde/vault/key-encryption-key.ts'
import { openVault, type MerchantOptions, type Vault } from '../../../src/cde/vault/vault.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { postgresOf } from './test-store.ts'

export const GUARD = { role: 'guard', origin: 'guard.test' } as const

/** A vault without a door, in a folder, with two merchants unless told. Its log lines are kept. */
export type TestVault = Vault & {
  readonly metrics: Metrics
  readonly lines: readonly string[]
  tokenize(card: Card, options?: { readonly merchant?: string; readonly idempotencyKey?: string }): Promise<VaultReply>
}

let keys = 0

export async function openTestVault(
  dataDir: string,
  options: {
    readonly merchants?: readonly MerchantOptions[]
    /** Whom guards may act for; all when left out. */
    readonly guardMerchants?: readonly string[]
    readonly nowMs?: () => number
    readonly closeMs?: number
    readonly kek?: KeyEncryptionKey | 'custodians'
    readonly formerKeks?: readonly KeyEncryptionKey[]
    readonly cryptoperiodDays?: number
  } = {},
): Promise<TestVault> {
  const lines: string[] = []
  const metrics = new Metrics('vault')
  const postgresql = await postgresOf(dataDir)
  const merchants = options.merchants ?? [{ name: 'shop' }, { name: 'other' }]
  const vault = await openVault({
    dataDir,
    ...(postgresql === null ? {} : { postgresql }),
    guardMerchants: merchants.map(({ name }) => name),
    logger: createLogger({ role: 'vault', level: 'debug', stream: { write: (line) => lines.push(line) } }),
    metrics,
    ...options,
    merchants,
  })
  return {
    ...vault,
    metrics,
    lines,
    tokenize: (card, { merchant = 'shop', idempotencyKey = newKey() } = {}) =>
      vault.service.handle(
        { type: 'tokenize', merchant, windowId: 'w1', idempotencyKey },
        composeCardBody(card),
        GUARD,
      ),
  }
}

export function newKey(): string {
  keys += 1
  return `key-${process.pid}-${keys}-0000`
}

/** The token of a reply that must be one. */
export function tokenOf(reply: VaultReply): string {
  if (reply.type !== 'tokenized') throw new Error('not a token')
  return reply.token
}
