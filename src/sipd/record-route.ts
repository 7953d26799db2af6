import { hostPortText } from '../kit/host-text.ts'
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Flow } from './flow.ts'
import { header, listOf, valueOf, type Header, type SipRequest } from './message.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseSipUri, type SipUri } from './uri.ts'

/** Our entries at the top of one route set: one, or two where a call changes its transport (RFC 5658). */
const OWN_ENTRIES_MAX = 2

/**
 * The Record-Route entries that keep sipd in the way of calls that it proxied. Their user part is a keyed digest of the
 * Call-ID, so that nobody can make us relay requests of a call that we never proxied, and nothing has to be remembered.
 */
export class RecordRoute {
  readonly #key = randomBytes(32)
  readonly #isOurs: (host: string, port: number | undefined) => boolean

  constructor(isOurs: (host: string, port: number | undefined) => boolean) {
    this.#isOurs = isOurs
  }

  /** The entries of a request that came on one flow and leaves on another; the outermost first. */
  entries(request: SipRequest, flows: { readonly from: Flow; readonly to: Flow }): Header[] {
    const token = this.#token(request)
    const inbound = entry(token, request, flows.from)
    const outbound = entry(token, request, flows.to)
    return (inbound === outbound ? [inbound] : [outbound, inbound]).map((value) => header('Record-Route', value))
  }

  /**
   * The request without our own entries at the top of its route. A strict router before us has put our entry into the
   * request URI, and the target last in the route (RFC 3261 section 16.4). `proxied` when an entry was that of this call.
   */
  strip(request: SipRequest): { readonly request: SipRequest; readonly proxied: boolean } {
    const routes = listOf(request, 'route')
    if (routes.length === 0) return { request, proxied: false }
    const token = Buffer.from(this.#token(request))
    let { uri } = request
    let proxied = false
    const own = this.#own(parseSipUri(uri))
    const target = parseNameAddr(routes.at(-1) ?? '')?.uri
    if (own !== undefined && same(own.user, token) && target !== undefined) {
      uri = target
      routes.pop()
      proxied = true
    }
    let count = 0
    for (; count < OWN_ENTRIES_MAX; count += 1) {
      const top = this.#own(parseSipUri(parseNameAddr(routes[count] ?? '')?.uri ?? ''))
      if (top === undefined) break
      proxied ||= same(top.user, token)
    }
    if (count === 0 && uri === request.uri) return { request, proxied: false }
    const rest = routes.slice(count).map((value): Header => ({ key: 'route', name: 'Route', value }))
    return {
      request: { ...request, uri, headers: [...request.headers.filter(({ key }) => key !== 'route'), ...rest] },
      proxied,
    }
  }

  #own(uri: SipUri | undefined): SipUri | undefined {
    return uri !== undefined && this.#isOurs(uri.host, uri.port) ? uri : undefined
  }

  #token(request: SipRequest): string {
    return createHmac('sha256', this.#key)
      .update(valueOf(request, 'call-id') ?? '', 'latin1')
      .digest('hex')
      .slice(0, 32)
  }
}

/** A sips request needs sips all the way (RFC 3261 section 16.6 step 4). */
function entry(token: string, request: SipRequest, flow: Flow): string {
  const secure = /^sips:/i.test(request.uri)
  const transport = flow.transport === 'udp' || secure ? '' : `;transport=${flow.transport}`
  return `<${secure ? 'sips' : 'sip'}:${token}@${hostPortText(flow.local)}${transport};lr>`
}

function same(user: string | undefined, token: Buffer): boolean {
  const given = Buffer.from(user ?? '', 'latin1')
  return given.length === token.length && timingSafeEqual(given, token)
}
