import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Address, TransportName } from './flow.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseSipUri, type SipUri } from './uri.ts'

/** Where a request goes first: a name still to be resolved, or an address. */
export type NextHop = {
  readonly transport: TransportName
  readonly host: string
  readonly port: number
  /** TLS: the names of which the peer's certificate must prove one (RFC 5922 section 7.2). */
  readonly names?: readonly string[]
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
  const hop = { transport, host: uri.parameters.get('maddr') ?? uri.host, port: uri.port ?? defaultPort(transport) }
  return transport === 'tls' ? { ...hop, names: [uri.host] } : hop
}

function transportOf(uri: SipUri): TransportName | undefined {
  const transport = (uri.parameters.get('transport') ?? (uri.scheme === 'sips' ? 'tls' : 'udp')).toLowerCase()
  if (transport === 'tls' || (uri.scheme === 'sips' && transport === 'tcp')) return 'tls'
  if (uri.scheme === 'sips') return undefined
  return transport === 'udp' || transport === 'tcp' ? transport : undefined
}

/** Addresses of one name that are tried; round-robin names of carriers have four to eight. */
const ADDRESSES_MAX = 8

/** The addresses of a next hop by the system's resolver, none when there is no answer in time; RFC 3263 (NAPTR, SRV) is not consulted. */
export async function resolveNextHop(hop: NextHop, deadlineMs: number): Promise<Address[]> {
  if (isIP(hop.host) !== 0) return [{ host: hop.host, port: hop.port }]
  let slow: NodeJS.Timeout | undefined
  const deadline = new Promise<[]>((resolve) => {
    slow = setTimeout(resolve, deadlineMs, [])
  })
  try {
    const found = await Promise.race([lookup(hop.host, { all: true }), deadline])
    return found.slice(0, ADDRESSES_MAX).map(({ address }) => ({ host: address, port: hop.port }))
  } catch {
    return []
  } finally {
    clearTimeout(slow)
  }
}
