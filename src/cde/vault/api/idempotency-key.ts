/** Eight characters at least, so that a counter from one is not mistaken for a key. */
const KEY = /^[A-Za-z0-9_-]{8,64}$/
/** A string of RFC 8941 (section 3.3.3) has quotes; many clients send none. */
const QUOTED = /^"([^"\\]*)"$/

/**
 * The key of an Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header): with or without its quotes it is the same. Null for anything
 * else, also for two headers, which Node joins with a comma.
 */
export function parseIdempotencyKey(header: string | readonly string[] | undefined): string | null {
  if (typeof header !== 'string') return null
  const key = QUOTED.exec(header)?.[1] ?? header
  return KEY.test(key) ? key : null
}
