import {
  hasToken,
  header,
  valueOf,
  type Header,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './message.ts'
import { parseParameters } from './header-list.ts'

/** What sipd asks for and accepts (RFC 4028): the interval that it wants, and the shortest that it bears. */
export type SessionTimerPolicy = { readonly seconds: number; readonly minSeconds: number }

/** The timer of one dialog: who refreshes, and whether the peer knows of it. */
export type SessionTerms = {
  readonly seconds: number
  readonly refresher: 'us' | 'peer'
  /** False when the peer did not take part; then we refresh to see whether it is alive. */
  readonly agreed: boolean
}

/** RFC 4028 section 5: nobody may ask for less than 90 s. */
export const MIN_SE_SECONDS = 90

/** RFC 4028 section 4.2 recommends half an hour. */
export const DEFAULT_POLICY: SessionTimerPolicy = { seconds: 1_800, minSeconds: MIN_SE_SECONDS }

/** A day: longer intervals are mistakes, and setTimeout ends at 24.8 days. */
const SECONDS_MAX = 86_400

/** The Min-SE of a 422 for a request whose Session-Expires is too short for us, or undefined (section 9). */
export function tooShort(request: SipRequest, policy: SessionTimerPolicy): Header | undefined {
  const asked = sessionExpires(request)
  if (asked === undefined || asked.seconds >= policy.minSeconds || !hasToken(request, 'supported', 'timer'))
    return undefined
  return header('Min-SE', String(policy.minSeconds))
}

/** The interval to ask again for after a 422, or undefined when it does not say which (section 7.3). */
export function demandedSeconds(response: SipResponse): number | undefined {
  return seconds(valueOf(response, 'min-se'))
}

/** Headers for an INVITE or UPDATE of ours; none when the application wrote its own Session-Expires (section 7.1). */
export function askingHeaders(
  given: SipRequest,
  policy: SessionTimerPolicy,
  running: SessionTerms | undefined,
): readonly Header[] {
  if (sessionExpires(given) !== undefined) return []
  // A refresh keeps the roles: the one who sends it is the uac of this transaction (section 7.4).
  const role = running?.agreed !== true ? '' : `;refresher=${running.refresher === 'us' ? 'uac' : 'uas'}`
  const headers = [
    header('Session-Expires', `${Math.max(running?.seconds ?? policy.seconds, policy.minSeconds)}${role}`),
    header('Min-SE', String(policy.minSeconds)),
  ]
  return hasToken(given, 'supported', 'timer') ? headers : [...headers, header('Supported', 'timer')]
}

/** What our 2xx says about the timer, and what is agreed with it (section 9, table 2). */
export function answeredTerms(
  request: SipRequest,
  response: SipResponse,
  policy: SessionTimerPolicy | undefined,
): { readonly headers: readonly Header[]; readonly terms: SessionTerms | undefined } {
  const supported = hasToken(request, 'supported', 'timer')
  const written = sessionExpires(response)
  if (written !== undefined) {
    const refresher = written.refresher ?? (supported ? 'uac' : 'uas')
    return {
      headers: [],
      terms: { seconds: written.seconds, refresher: refresher === 'uac' ? 'peer' : 'us', agreed: supported },
    }
  }
  if (policy === undefined) return { headers: [], terms: undefined }
  const asked = sessionExpires(request)
  const least = seconds(valueOf(request, 'min-se')) ?? 0
  const interval =
    asked === undefined ? Math.max(policy.seconds, least) : Math.min(asked.seconds, Math.max(policy.seconds, least))
  const refresher = supported ? (asked?.refresher ?? 'uac') : 'uas'
  const headers = [header('Session-Expires', `${interval};refresher=${refresher}`)]
  if (refresher === 'uac' && !hasToken(response, 'require', 'timer')) headers.push(header('Require', 'timer'))
  if (!hasToken(response, 'supported', 'timer')) headers.push(header('Supported', 'timer'))
  return { headers, terms: { seconds: interval, refresher: refresher === 'uac' ? 'peer' : 'us', agreed: supported } }
}

/** What a 2xx to our INVITE or UPDATE means (section 7.2). A peer that does not answer to it is refreshed by us all the same. */
export function agreedTerms(response: SipResponse, policy: SessionTimerPolicy | undefined): SessionTerms | undefined {
  const answered = sessionExpires(response)
  if (answered !== undefined)
    return { seconds: answered.seconds, refresher: answered.refresher === 'uas' ? 'peer' : 'us', agreed: true }
  return policy === undefined ? undefined : { seconds: policy.seconds, refresher: 'us', agreed: false }
}

function sessionExpires(
  message: SipMessage,
): { readonly seconds: number; readonly refresher: 'uac' | 'uas' | undefined } | undefined {
  const value = valueOf(message, 'session-expires')
  const interval = seconds(value)
  if (value === undefined || interval === undefined) return undefined
  const semicolon = value.indexOf(';')
  const written =
    semicolon === -1
      ? undefined
      : parseParameters(value.slice(semicolon + 1))
          .get('refresher')
          ?.toLowerCase()
  return { seconds: interval, refresher: written === 'uac' || written === 'uas' ? written : undefined }
}

function seconds(value: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,10})\s*(?:;|$)/.exec(value ?? '')?.[1]
  const number = Number(digits)
  return digits === undefined || number === 0 ? undefined : Math.min(number, SECONDS_MAX)
}
