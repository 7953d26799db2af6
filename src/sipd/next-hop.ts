import { isIP } from 'node:net'
import type { TransportName } from './flow.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseSipUri, type SipUri } from './uri.ts'

/** Where a request goes first: an address, or a name that DNS has to be asked for. */
export type NextHop = {
  /** What is used unless DNS says another. */
  readonly transport: TransportName
  readonly host: string
  /** What is used unless DNS says another. */
  readonly port: number
  /** TLS: the names of which the peer's certificate must prove one (RFC 5922 section 7.2). */
  readonly names: readonly string[]
  /**
   * What the URI left to DNS (RFC 3263 section 4): nothing but the address when it names a port or is numeric, the
   * server (`srv`) when it names a transport, and the transport too (`naptr`) when it names neither.
   */
  readonly ask: 'address' | 'srv' | 'naptr'
}

/** RFC 3261 section 19.1.2. */
export function defaultPort(transport: TransportName): number {
  return transport === 'tls' ? 5061 : 5060
}

/**
 * Chooses the next hop (RFC 3261 section 8.1.2): the application's outbound proxy, else the first Route, else the
 * request URI. A sips URI goes by TLS whatever it says of TCP (section 26.2.2). Undefined for another scheme, and for a
 * transport that is not served.
 */
export function nextHopOf(request: {
  readonly routeUrl: string | undefined
  readonly route: string | undefined
  readonly uri: string
}): NextHop | undefined {
  const routeUri = request.route === undefined ? undefined : parseNameAddr(request.route)?.uri
  const uri = parseSipUri(request.routeUrl ?? routeUri ?? request.uri)
  if (uri === undefined) return undefined
  const transport = transportOf(uri)
  if (transport === undefined) return undefined
  const host = uri.parameters.get('maddr') ?? uri.host
  return {
    transport,
    host,
    port: uri.port ?? defaultPort(transport),
    names: [uri.host],
    ask: uri.port !== undefined || isIP(host) !== 0 ? 'address' : uri.parameters.has('transport') ? 'srv' : 'naptr',
  }
}

function transportOf(uri: SipUri): TransportName | undefined {
  const transport = (uri.parameters.get('transport') ?? (uri.scheme === 'sips' ? 'tls' : 'udp')).toLowerCase()
  if (transport === 'tls' || (uri.scheme === 'sips' && transport === 'tcp')) return 'tls'
  if (uri.scheme === 'sips') return undefined
  return transport === 'udp' || transport === 'tcp' ? transport : undefined
}
