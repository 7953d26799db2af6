import { statSync, type Stats } from 'node:fs'
import type { AuditConfiguration } from '../wire/audit-configuration.ts'
import type { Report } from './configuration-check.ts'
import { isMissing } from './missing-file.ts'

/** Anybody beside the owner and the group. */
const EVERYBODY = 0o007
const OTHERS = 0o077

/** What the audit record needs beside the store must be there before a window is refused for want of it. */
export function checkAudit({ folder, signingKey, syslog }: AuditConfiguration, report: Report): void {
  const place = folder === null ? null : statOf(folder)
  if (place?.isDirectory() === false) {
    report(['audit', 'folder'], 'is a file', 'name a folder that the vault owns, or one that is not there yet')
  } else if (place !== null && (place.mode & EVERYBODY) !== 0) {
    report(['audit', 'folder'], 'is open to everybody on this machine', 'chmod 0700, and let the vault own it')
  }
  if (signingKey !== null) {
    if (isMissing(signingKey)) report(['audit', 'signingKey'], ...NO_FILE)
    else if (((statOf(signingKey)?.mode ?? 0) & OTHERS) !== 0) {
      report(['audit', 'signingKey'], 'can be read by others than its owner', 'chmod 0600, and let the vault own it')
    }
  }
  for (const key of ['authority', 'certificate', 'key'] as const) {
    const file = syslog?.[key] ?? null
    if (file !== null && isMissing(file)) report(['audit', 'syslog', key], ...NO_FILE)
  }
}

const NO_FILE = ['there is no such file', 'name a PEM file'] as const

/** Null for what is not there, or not for this process to see. */
function statOf(file: string): Stats | null {
  try {
    return statSync(file)
  } catch {
    return null
  }
}
