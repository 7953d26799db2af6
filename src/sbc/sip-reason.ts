import { createRequire } from 'node:module'

/** sip-status has no types of its own: a table from status code to reason phrase. */
const sipStatus = createRequire(import.meta.url)('sip-status') as Readonly<Record<number, string>>

/** The standard phrase of a status (sip-status), so that no phrase of one side is seen on the other. */
export function reasonOf(status: number): string {
  return sipStatus[status] ?? 'Unknown'
}

/**
 * The status to pass on for one that was received. One that nobody registered becomes 183 or the x00 of its class, as
 * RFC 3261 section 8.1.3.2 reads it; drachtio-srf throws when it is asked to send any other.
 */
export function passableStatus(status: number): number {
  if (status in sipStatus) return status
  if (status < 200) return 183
  return status < 500 ? 400 : status < 600 ? 500 : 600
}
