import { readFileSync } from 'node:fs'
import type { AuditTrailOptions } from '../cde/vault/audit-trail.ts'
import type { CheckpointSigner } from '../cde/vault/audit-checkpoint.ts'
import type { Logger } from '../kit/log.ts'
import type { AuditConfiguration } from '../wire/audit-configuration.ts'

/** What the vault is given of its audit configuration. Throws the system's error for a file that cannot be read. */
export async function auditOptions(
  configuration: AuditConfiguration,
  logger: Logger,
): Promise<{ readonly audit: AuditTrailOptions; readonly auditSigner?: CheckpointSigner }> {
  const { signingKey, folder, syslog, timeServer, backlogMax, onlineMonths, keptMonths } = configuration
  const audit = {
    folder,
    timeServer,
    backlogMax,
    archive: { onlineMonths, keptMonths },
    syslog: syslog === null ? null : collector(syslog),
  }
  if (signingKey === null) return { audit }
  const { openSigningKey } = await import('../cde/vault/audit-checkpoint.ts')
  return { audit, auditSigner: openSigningKey({ file: signingKey, mayMake: false, logger }) }
}

function collector(syslog: NonNullable<AuditConfiguration['syslog']>): NonNullable<AuditTrailOptions['syslog']> {
  const { host, port, authority, name, certificate, key } = syslog
  return {
    host,
    port,
    authority: readFileSync(authority),
    ...(name === null ? {} : { name }),
    ...(certificate === null || key === null
      ? {}
      : { identity: { certificate: readFileSync(certificate), key: readFileSync(key) } }),
  }
}
