import { join } from 'node:path'
import type { AuditConfiguration } from '../wire/audit-configuration.ts'
import type { HostPort } from '../wire/configuration.ts'

/** Some hours of a busy site: a thief who stops the shipping gains no more than these. */
const BACKLOG_MAX = 10_000
/** PCI DSS 10.5.1: twelve months, the last three of them at hand. */
const ONLINE_MONTHS = 3
const KEPT_MONTHS = 12
/** IANA: syslog over TLS, and NTP. */
const SYSLOG_TLS_PORT = 6_514
const NTP_PORT = 123

export type WrittenAudit = {
  readonly signingKey?: string | null
  readonly folder?: string | null
  readonly syslog?: {
    readonly host: string
    readonly port?: number
    readonly authority: string
    readonly name?: string | null
    readonly certificate?: string | null
    readonly key?: string | null
  } | null
  readonly timeServer?: (Pick<HostPort, 'host'> & Partial<HostPort>) | null
  readonly backlogMax?: number
  readonly onlineMonths?: number
  readonly keptMonths?: number
}

export function completeAudit(
  written: WrittenAudit,
  options: { readonly dataFolder: string; readonly file: (name: string) => string },
): AuditConfiguration {
  const { dataFolder, file } = options
  const { folder, syslog, timeServer, backlogMax = BACKLOG_MAX } = written
  const fileOrNull = (name: string | null | undefined): string | null => (name == null ? null : file(name))
  return {
    signingKey: fileOrNull(written.signingKey),
    folder: folder === undefined ? join(dataFolder, 'audit') : fileOrNull(folder),
    syslog: syslog
      ? {
          host: syslog.host,
          port: syslog.port ?? SYSLOG_TLS_PORT,
          authority: file(syslog.authority),
          name: syslog.name ?? null,
          certificate: fileOrNull(syslog.certificate),
          key: fileOrNull(syslog.key),
        }
      : null,
    timeServer: timeServer ? { port: NTP_PORT, ...timeServer } : null,
    backlogMax,
    onlineMonths: written.onlineMonths ?? ONLINE_MONTHS,
    keptMonths: written.keptMonths ?? KEPT_MONTHS,
  }
}
