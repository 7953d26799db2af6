import type { TrunkConfiguration } from '../wire/configuration.ts'
import { isSafeValue, splitValues } from './header-value.ts'
import { escapeUser, userOf } from './name-address.ts'
import type { SipHeaders } from './sip-server.ts'
import { targetHost } from './target-address.ts'
import { byRules } from './telephone-number.ts'

/** A call is diverted a few times at most; RFC 7044 names no limit. */
const VALUES_MAX = 10

/** Parameters that say what happened, and nobody's name (RFC 5806 section 6, RFC 7044 section 5, the draft of Remote-Party-ID). */
const PARAMETERS: Readonly<Record<string, ReadonlySet<string>>> = {
  'p-asserted-identity': new Set(),
  'p-preferred-identity': new Set(),
  'remote-party-id': new Set(['party', 'screen', 'privacy', 'id-type']),
  diversion: new Set(['reason', 'counter', 'limit', 'privacy', 'screen']),
  'history-info': new Set(['index', 'rc', 'mp', 'np']),
}

const NAMES: readonly (readonly [key: string, name: string])[] = [
  ['p-asserted-identity', 'P-Asserted-Identity'],
  ['p-preferred-identity', 'P-Preferred-Identity'],
  ['remote-party-id', 'Remote-Party-ID'],
  ['diversion', 'Diversion'],
  ['history-info', 'History-Info'],
]

/** From of a call whose caller is not to be known (RFC 3323 section 4.1.1.3). */
export const ANONYMOUS_FROM = '"Anonymous" <sip:anonymous@anonymous.invalid>'

/**
 * Who calls and by which way, as the callee's trunk may know it. From a trunk that is not trusted nothing is believed
 * (RFC 3325 section 5). A caller who asks for privacy stays unknown to a trunk that is not trusted: no identity, and
 * `isAnonymous` asks for a From that names nobody (RFC 3323). Everything else passes, each URI with a host of ours or of the
 * callee, so that no side sees the other's (RFC 5806, RFC 7044, RFC 7433).
 */
export function identityHeaders(options: {
  readonly headers: SipHeaders
  readonly caller: Pick<TrunkConfiguration, 'trusted' | 'numbers'>
  readonly callee: Pick<TrunkConfiguration, 'trusted' | 'numbers' | 'targets'>
}): { readonly headers: SipHeaders; readonly isAnonymous: boolean } {
  const { caller, callee } = options
  const received = new Map(Object.entries(options.headers).map(([name, value]) => [name.toLowerCase(), value]))
  const privacy = privacyOf(received.get('privacy'))
  const hidesCaller = ['id', 'user', 'header', 'session'].some((wanted) => privacy.includes(wanted))
  const hidesWay = ['header', 'session', 'history'].some((wanted) => privacy.includes(wanted))
  const isAnonymous = hidesCaller && !callee.trusted
  const passed: Record<string, string> = {}
  if (callee.trusted && privacy.length > 0) passed['Privacy'] = privacy.join(';')
  if (!caller.trusted) return { headers: passed, isAnonymous }
  for (const [key, name] of NAMES) {
    const isOfWay = key === 'diversion' || key === 'history-info'
    if (!callee.trusted && (isOfWay ? hidesWay : hidesCaller)) continue
    const values = splitValues(received.get(key) ?? '')
      .slice(0, VALUES_MAX)
      .filter((value) => callee.trusted || !hidesItself(value))
      .flatMap((value) => rewritten(key, value, { caller, callee }))
    if (values.length > 0) passed[name] = values.join(', ')
  }
  const userToUser = received.get('user-to-user')
  if (userToUser !== undefined && isSafeValue(userToUser)) passed['User-to-User'] = userToUser
  return { headers: passed, isAnonymous }
}

const PRIVACIES: ReadonlySet<string> = new Set(['id', 'user', 'header', 'session', 'history', 'critical', 'none'])

function privacyOf(value: string | undefined): readonly string[] {
  const words = (value ?? '').toLowerCase().split(/[\s;,]+/)
  return words.filter((word) => PRIVACIES.has(word))
}

/** An entry that asks for privacy itself: a diversion with `privacy=full`, a history entry with a Privacy header. */
function hidesItself(value: string): boolean {
  return /;\s*privacy\s*=\s*"?(full|uri|name)/i.test(value) || /[?&]privacy=(?!none)/i.test(value)
}

/** One name-addr with the host replaced and only harmless parameters; none when it could not be read. */
function rewritten(
  key: string,
  value: string,
  trunks: {
    readonly caller: Pick<TrunkConfiguration, 'numbers'>
    readonly callee: Pick<TrunkConfiguration, 'numbers' | 'targets'>
  },
): readonly string[] {
  if (!isSafeValue(value)) return []
  const user = userOf(value)
  if (user === '') return []
  const number = byRules(byRules(user, trunks.caller.numbers.in), trunks.callee.numbers.out)
  // The SIP server knows by which of its addresses the callee is reached, and writes it into this header.
  const host = key === 'p-asserted-identity' ? 'localhost' : targetHost(trunks.callee.targets[0])
  const isTel = /(^|<)\s*tel:/i.test(value) && /^\+\d+$/.test(number)
  const uri = isTel
    ? `tel:${number}`
    : `sip:${escapeUser(number)}@${host}${key === 'history-info' ? causeOf(value) : ''}`
  const name = /^\s*("(?:[^"\\]|\\.){0,64}")\s*</.exec(value)?.[1]
  const parameters = PARAMETERS[key] ?? new Set()
  const after = value.replace(/^\s*"(?:[^"\\]|\\.)*"/, '').replace(/^[^<]*<[^>]*>/, '')
  const kept = [...after.matchAll(/;\s*([\w-]{1,32})(?:\s*=\s*([\w.%*+-]{1,64}|"[^"\\]{1,64}"))?/g)]
    .filter(([, parameter = '']) => parameters.has(parameter.toLowerCase()))
    .map(([, parameter = '', setting]) => (setting === undefined ? `;${parameter}` : `;${parameter}=${setting}`))
  return [`${name === undefined ? '' : `${name} `}<${uri}>${kept.join('')}`]
}

/** Why a call was retargeted, as History-Info carries it inside the URI (RFC 7044 section 5), without its text. */
function causeOf(value: string): string {
  const cause = /[?&]Reason=((?:SIP|Q\.850)%3Bcause%3D\d{1,3})/i.exec(value)?.[1]
  return cause === undefined ? '' : `?Reason=${cause}`
}
