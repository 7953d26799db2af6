import { readFileSync } from 'node:fs'
import type { PostgresOptions } from '../cde/vault/postgres-connection.ts'
import type { MerchantOptions } from '../cde/vault/vault.ts'
import type { PostgresqlConfiguration } from '../wire/configuration.ts'
import type { MerchantConfiguration } from '../wire/vault-api-configuration.ts'
import { readSecret } from './development-secrets.ts'

/** How to reach the vault's database. Throws the system's error when a certificate cannot be read. */
export function postgresOptions(
  configuration: PostgresqlConfiguration,
  as: { readonly user: string; readonly passwordFile: string | null } = configuration,
): PostgresOptions {
  const { host, port, standbys, database, tls } = configuration
  const { user, passwordFile } = as
  return {
    servers: [{ host, port }, ...standbys],
    database,
    user,
    password: passwordFile === null ? null : () => readSecret(passwordFile),
    tls:
      tls === null
        ? null
        : {
            authority: readFileSync(tls.authority),
            certificate: tls.certificate === null ? null : readFileSync(tls.certificate),
            key: tls.key === null ? null : readFileSync(tls.key),
          },
  }
}

/** A merchant, and what its tokens are like. */
export function merchantOptions({ name, connectorUrl, tokens }: MerchantConfiguration): MerchantOptions {
  const { format, reuse, lifetimeSeconds } = tokens
  return {
    name,
    ...(connectorUrl === null ? {} : { connector: { url: connectorUrl } }),
    tokens: { format, reuse, lifetimeMs: lifetimeSeconds === null ? null : lifetimeSeconds * 1_000 },
  }
}
