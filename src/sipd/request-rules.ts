import { header, listOf, type Header, type SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseSipUri } from './uri.ts'

/** An answer that a request gets before any application sees it. */
export type RequestFault = { readonly status: 400 | 416 | 420; readonly headers: readonly Header[] }

/**
 * What is wrong with a request whose envelope is sound (RFC 3261 section 8.2), in the order of that section: its
 * request URI (416, 400), its Contact (400) and the extensions that it requires (420 with Unsupported).
 */
export function requestFault(request: SipRequest): RequestFault | undefined {
  const scheme = SCHEME.exec(request.uri)?.[1]?.toLowerCase()
  if (scheme === undefined) return BAD_REQUEST
  if (scheme === 'sip' || scheme === 'sips') {
    if (parseSipUri(request.uri) === undefined || hasUriHeaders(request.uri)) return BAD_REQUEST
  } else if (!OTHER_SCHEMES.has(scheme)) return { status: 416, headers: [] }
  for (const contact of listOf(request, 'contact'))
    if (contact !== '*' && parseNameAddr(contact) === undefined) return BAD_REQUEST
  const unsupported = unsupportedOptions(request)
  if (unsupported.length === 0) return undefined
  return { status: 420, headers: [header('Unsupported', unsupported.join(', '))] }
}

/** Methods of RFC 3261 and its extensions; another one is answered with 501 unless an application asked for it. */
export function isKnownMethod(method: string): boolean {
  return KNOWN_METHODS.has(method)
}

const BAD_REQUEST: RequestFault = { status: 400, headers: [] }

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]{0,31}):/

/** Telephone numbers (RFC 3966) and services such as urn:service:sos (RFC 5031); the application decides about them. */
const OTHER_SCHEMES = new Set(['tel', 'urn'])

const KNOWN_METHODS = new Set([
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'REGISTER',
  'INFO',
  'UPDATE',
  'PRACK',
  'REFER',
  'NOTIFY',
  'SUBSCRIBE',
  'MESSAGE',
  'PUBLISH',
])

/** The IANA registry of SIP option tags. An application may know any of these; nobody can know another. */
const OPTION_TAGS = new Set([
  '100rel',
  '199',
  'answermode',
  'early-session',
  'eventlist',
  'explicitsub',
  'from-change',
  'geolocation-http',
  'geolocation-sip',
  'gin',
  'gruu',
  'histinfo',
  'ice',
  'join',
  'multiple-refer',
  'norefersub',
  'nosub',
  'outbound',
  'path',
  'policy',
  'precondition',
  'pref',
  'privacy',
  'recipient-list-invite',
  'recipient-list-message',
  'recipient-list-subscribe',
  'record-aware',
  'replaces',
  'resource-priority',
  'sdp-anat',
  'sec-agree',
  'siprec',
  'tdialog',
  'timer',
  'trickle-ice',
  'uui',
])

/** Require means us as user agent, Proxy-Require as what stands between; both are ignored in ACK and CANCEL (section 8.2.2.3). */
function unsupportedOptions(request: SipRequest): readonly string[] {
  if (request.method === 'ACK' || request.method === 'CANCEL') return []
  const required = [...listOf(request, 'require'), ...listOf(request, 'proxy-require')]
  return required.filter((tag) => !OPTION_TAGS.has(tag.toLowerCase()))
}

/** Header fields may not stand in a request URI (RFC 3261 section 19.1.1, table 1). A question mark of the user part is none. */
function hasUriHeaders(uri: string): boolean {
  return uri.includes('?', uri.indexOf('@') + 1)
}
