import type { HostPort } from '../wire/configuration.ts'
import type {
  MerchantConfiguration,
  VaultApiConfiguration,
  VaultClientConfiguration,
} from '../wire/vault-api-configuration.ts'

/** Ten a second: a shop's system, and no search for tokens. */
const REQUESTS_PER_MINUTE = 600
/** A person at a desk, or a slow system: whoever needs more says so. */
const CARDS_PER_MINUTE = 60

export type WrittenMerchant = {
  readonly name: string
  readonly connectorUrl?: string | null
  readonly tokens?: Partial<MerchantConfiguration['tokens']>
}

export type WrittenVaultApi = HostPort & {
  readonly clients: readonly (Omit<VaultClientConfiguration, 'requestsPerMinute' | 'cardsPerMinute' | 'merchants'> &
    Partial<VaultClientConfiguration>)[]
}

/** The merchant of the site's own calls is first, whether it is among those written or not. */
export function completeMerchants(
  written: readonly WrittenMerchant[],
  site: { readonly merchant: string; readonly connectorUrl: string | null },
): readonly MerchantConfiguration[] {
  const own = written.find(({ name }) => name === site.merchant) ?? { name: site.merchant }
  return [own, ...written.filter((merchant) => merchant !== own)].map(({ name, connectorUrl, tokens }) => ({
    name,
    connectorUrl: connectorUrl === undefined ? site.connectorUrl : connectorUrl,
    tokens: {
      format: tokens?.format ?? 'letters',
      reuse: tokens?.reuse ?? 'reusable',
      lifetimeSeconds: tokens?.lifetimeSeconds ?? null,
    },
  }))
}

/** Guards act for the site's own merchant, and for no other that is not named. */
export function completeGuardMerchants(written: readonly string[], merchant: string): readonly string[] {
  return [merchant, ...written.filter((name) => name !== merchant)]
}

/** A client is of the site's own merchant unless it says whose. */
export function completeVaultApi(written: WrittenVaultApi | null, merchant: string): VaultApiConfiguration | null {
  if (written === null) return null
  return {
    host: written.host,
    port: written.port,
    clients: written.clients.map((client) => ({
      name: client.name,
      role: client.role,
      merchants: client.merchants ?? [merchant],
      requestsPerMinute: client.requestsPerMinute ?? REQUESTS_PER_MINUTE,
      cardsPerMinute: client.cardsPerMinute ?? CARDS_PER_MINUTE,
    })),
  }
}
