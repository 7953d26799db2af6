import { createHash, randomUUID } from 'node:crypto'
import { parseCseq } from './envelope.ts'
import type { Flow } from './flow.ts'
import { header, listOf, valueOf, type Header, type SipRequest } from './message.ts'
import { parseNameAddr, tagOf } from './name-addr.ts'
import { nextHopOf, type NextHop } from './next-hop.ts'
import { parseSipUri } from './uri.ts'
import { BRANCH_COOKIE, formatVia, parseVia } from './via.ts'

/** RFC 3261 section 16.6 step 3: for a request that came without. */
const MAX_FORWARDS = 70

/** 64 bits of a digest tell loops apart from spirals well enough: a clash costs one call a 482. */
const LOOP_DIGITS = 16

/** What an application may not set in a request that it proxies: the way, and what makes it the same request. */
const NOT_THE_APPLICATIONS = new Set([
  'via',
  'route',
  'record-route',
  'max-forwards',
  'call-id',
  'cseq',
  'from',
  'to',
  'contact',
  'content-length',
  'content-type',
])

/** `hop` is where the copy goes; undefined for a target that sipd does not speak to. */
export type TargetCopy = { readonly request: SipRequest; readonly hop: NextHop | undefined }

/**
 * The copy of a request that goes to one target, without Via and Record-Route yet (RFC 3261 section 16.6 steps 1 to 7).
 * A target without a user part is a server: the user stays. A first Route without `lr` is a strict router's.
 */
export function copyForTarget(received: SipRequest, target: string, given: readonly Header[]): TargetCopy {
  const extra = given.filter(({ key }) => !NOT_THE_APPLICATIONS.has(key))
  const replaced = new Set(['max-forwards', ...extra.map(({ key }) => key)])
  const hops = Number(valueOf(received, 'max-forwards') ?? MAX_FORWARDS + 1) - 1
  const kept = received.headers.filter(({ key }) => !replaced.has(key))
  const request: SipRequest = {
    ...received,
    uri: withUser(target, received.uri),
    headers: [...kept, header('Max-Forwards', String(hops)), ...extra],
  }
  const route = listOf(request, 'route')
  const first = parseNameAddr(route[0] ?? '')?.uri
  const hopOf = (uri: string): NextHop | undefined => nextHopOf({ routeUrl: undefined, route: undefined, uri })
  if (first === undefined) return { request, hop: hopOf(request.uri) }
  if (parseSipUri(first)?.parameters.has('lr') !== false) return { request, hop: hopOf(first) }
  const rest = [...route.slice(1), `<${request.uri}>`].map((value) => header('Route', value))
  const headers = [...request.headers.filter(({ key }) => key !== 'route'), ...rest]
  return { request: { ...request, uri: first, headers }, hop: hopOf(first) }
}

/** The copy as it leaves on a flow: our Via with a branch of its own, and the Record-Route (steps 4 and 8). */
export function onFlow(
  copy: SipRequest,
  flow: Flow,
  options: { readonly loop: string; readonly recordRoute: readonly Header[] },
): { readonly request: SipRequest; readonly branch: string; readonly flow: Flow } {
  const branch = `${BRANCH_COOKIE}${randomUUID()}.${options.loop}`
  const via = header('Via', formatVia({ transport: flow.transport, local: flow.local, branch }))
  return { request: { ...copy, headers: [via, ...options.recordRoute, ...copy.headers] }, branch, flow }
}

/**
 * The part of a branch that is the same when a request comes back unchanged (RFC 3261 section 16.6 step 8): what its
 * routing depends on. The topmost Via is left out, because it differs each time round (RFC 5393 section 4.2.1).
 */
export function loopDigest(received: SipRequest): string {
  const parts = [
    tagOf(valueOf(received, 'to') ?? ''),
    tagOf(valueOf(received, 'from') ?? ''),
    valueOf(received, 'call-id'),
    String(parseCseq(valueOf(received, 'cseq') ?? '')?.number),
    received.uri,
    ...listOf(received, 'route'),
    valueOf(received, 'proxy-require'),
    valueOf(received, 'proxy-authorization'),
  ]
  const text = parts.map((part) => part ?? '').join('\n')
  return createHash('sha256').update(text, 'latin1').digest('hex').slice(0, LOOP_DIGITS)
}

/** True when the request was here before and has come back unchanged (RFC 3261 section 16.3 step 4). */
export function isLoop(
  received: SipRequest,
  loop: string,
  isOurs: (host: string, port: number | undefined) => boolean,
): boolean {
  return listOf(received, 'via').some((value) => {
    const via = parseVia(value)
    return via?.branch.endsWith(`.${loop}`) === true && isOurs(via.host, via.port)
  })
}

function withUser(target: string, from: string): string {
  const parsed = parseSipUri(target)
  const user = parseSipUri(from)?.user
  if (parsed === undefined || parsed.user !== undefined || user === undefined) return target
  const colon = target.indexOf(':') + 1
  return `${target.slice(0, colon)}${user}@${target.slice(colon)}`
}
