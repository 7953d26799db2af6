import type { TrunkConfiguration } from '../wire/configuration.ts'
import { isSafeValue } from './header-value.ts'
import type { SipHeaders } from './sip-server.ts'

/** So many headers pass at most: an INVITE should fit into a datagram. */
const PASSED_MAX = 20

/**
 * What never passes, whatever a trunk allows: headers of one hop, one dialog, one body or one transaction, which are
 * wrong on the other side, and identities, about which trust decides (identity-headers.ts).
 */
const NEVER: ReadonlySet<string> = new Set([
  'accept', 'accept-contact', 'accept-encoding', 'accept-language', 'accept-resource-priority', 'allow', 'allow-events', 'authentication-info',
  'authorization', 'call-id', 'contact', 'content-disposition', 'content-encoding', 'content-id', 'content-language', 'content-length', 'content-type',
  'cseq', 'event', 'expires', 'from', 'info-package', 'join', 'max-breadth', 'max-forwards', 'mime-version', 'min-expires', 'min-se', 'path',
  'proxy-authenticate', 'proxy-authorization', 'proxy-require', 'rack', 'reason', 'record-route', 'recv-info', 'refer-sub', 'refer-to', 'referred-by',
  'replaces', 'reply-to', 'request-disposition', 'require', 'retry-after', 'route', 'rseq', 'security-client', 'security-server', 'security-verify',
  'server', 'service-route', 'session-expires', 'sip-etag', 'sip-if-match', 'subscription-state', 'supported', 'target-dialog', 'timestamp', 'to',
  'unsupported', 'user-agent', 'via', 'warning', 'www-authenticate',
  'p-asserted-identity', 'p-preferred-identity', 'remote-party-id', 'diversion', 'history-info', 'user-to-user', 'privacy',
  // The forms of one letter that the parser of drachtio-srf does not write out.
  'a', 'b', 'd', 'j', 'o', 'r', 'u', 'x', 'y',
]) // prettier-ignore

/** What says how urgent a call is (RFC 3261 section 20.26, RFC 4412), and where an emergency is (RFC 6442). */
const OF_EMERGENCIES: ReadonlySet<string> = new Set([
  'priority',
  'resource-priority',
  'geolocation',
  'geolocation-routing',
])

/**
 * The further headers of an INVITE that pass to the other side: those that both trunks allow by name or by beginning
 * (`X-*`), and, in an emergency, how urgent and where. A value that could harm the other side is left out.
 */
export function passedHeaders(options: {
  readonly headers: SipHeaders
  readonly caller: Pick<TrunkConfiguration, 'headers'>
  readonly callee: Pick<TrunkConfiguration, 'headers'>
  readonly isEmergency: boolean
}): SipHeaders {
  const { headers, caller, callee, isEmergency } = options
  const passed = Object.entries(headers).filter(([name, value]) => {
    const key = name.toLowerCase()
    if (NEVER.has(key) || !/^[a-z0-9][a-z0-9.!%*_+`'~-]{0,63}$/.test(key) || !isSafeValue(value)) return false
    if (isEmergency && OF_EMERGENCIES.has(key)) return true
    return isAllowed(key, caller.headers.in) && isAllowed(key, callee.headers.out)
  })
  return Object.fromEntries(passed.slice(0, PASSED_MAX))
}

function isAllowed(key: string, allowed: readonly string[]): boolean {
  return allowed.some((name) => {
    const wanted = name.toLowerCase()
    return wanted.endsWith('*') ? key.startsWith(wanted.slice(0, -1)) : key === wanted
  })
}
