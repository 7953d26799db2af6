/**
 * When to send the next REGISTER, as pure functions: RFC 3261 section 10.2 leaves the times to the client.
 */

/** Bindings that live longer than twice this are refreshed this long before their end (3GPP TS 24.229 section 5.1.1.4.1). */
const REFRESH_MARGIN_S = 600
/** RFC 5626 section 4.5: base-time when no flow is left, and max-time. */
const BACKOFF_BASE_S = 30
const BACKOFF_MAX_S = 1_800
/** A registrar's own wish is followed up to here; beyond, somebody meant something else. */
const RETRY_AFTER_MAX_S = 3_600
/** No registrar needs to be asked more often. */
const EXPIRES_MIN_S = 10

/** A binding that lives so long is refreshed after so many milliseconds. */
export function refreshAfterMs(expiresSeconds: number): number {
  const seconds = Math.max(EXPIRES_MIN_S, expiresSeconds)
  return (seconds > 2 * REFRESH_MARGIN_S ? seconds - REFRESH_MARGIN_S : seconds / 2) * 1_000
}

/**
 * How long to wait after so many failures in a row (RFC 5626 section 4.5): doubling, and by chance between half of it and all, so
 * that the customers of a carrier that comes back do not return as one. The registrar's Retry-After comes first.
 */
export function retryAfterMs(options: {
  readonly failures: number
  readonly retryAfterSeconds: number | null
  /** 0 to below 1. */
  readonly chance: number
}): number {
  const { failures, retryAfterSeconds, chance } = options
  if (retryAfterSeconds !== null) return Math.min(RETRY_AFTER_MAX_S, Math.max(1, retryAfterSeconds)) * 1_000
  const bound = Math.min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2 ** Math.max(0, failures - 1))
  return bound * (0.5 + chance / 2) * 1_000
}

/**
 * How long our binding lives by a 200 to REGISTER: what the Contact with our user says, else Expires, else what was asked
 * for (RFC 3261 section 10.2.4).
 */
export function grantedSeconds(options: {
  readonly contacts: readonly string[]
  readonly user: string
  readonly expires: string | undefined
  readonly askedSeconds: number
}): number {
  const own = options.contacts.filter((contact) => contact.includes(`:${options.user}@`))
  const said = own.flatMap((contact) => /;\s*expires\s*=\s*"?(\d{1,9})/i.exec(contact)?.[1] ?? [])
  // Older bindings of ours may still be listed; ours was just made and lives longest.
  if (said.length > 0) return Math.max(...said.map(Number))
  return /^\s*\d{1,9}\s*$/.test(options.expires ?? '') ? Number(options.expires) : options.askedSeconds
}
