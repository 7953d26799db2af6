import { listOf, type Header, type SipResponse } from './message.ts'

/** Those that say how the request would succeed when it is sent again (RFC 3261 section 16.7 step 6). */
const INSTRUCTIVE: readonly number[] = [401, 407, 415, 420, 484]

/**
 * The response that a proxy passes on when all of them are failures (RFC 3261 section 16.7 step 6): a 6xx before all,
 * else one of the lowest class, in it one that helps before one that only says that nobody answered. A challenge takes
 * along those of the other branches (step 7). Undefined for an empty list.
 */
export function bestResponse(responses: readonly SipResponse[]): SipResponse | undefined {
  const best = [...responses].sort((a, b) => rank(a) - rank(b))[0]
  if (best === undefined || (best.status !== 401 && best.status !== 407)) return best
  const others = responses.filter((other) => other !== best && (other.status === 401 || other.status === 407))
  const challenges = others.flatMap((other) => other.headers.filter(isChallenge))
  const own = new Set(['www-authenticate', 'proxy-authenticate'].flatMap((key) => listOf(best, key)))
  return { ...best, headers: [...best.headers, ...challenges.filter(({ value }) => !own.has(value))] }
}

function rank({ status }: SipResponse): number {
  if (status >= 600) return 0
  const place = INSTRUCTIVE.includes(status) ? 1 : status === 408 ? 3 : 2
  return Math.floor(status / 100) * 10 + place
}

function isChallenge({ key }: Header): boolean {
  return key === 'www-authenticate' || key === 'proxy-authenticate'
}
