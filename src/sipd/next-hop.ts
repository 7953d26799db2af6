import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Address, TransportName } from './flow.ts'
import { parseNameAddr } from './name-addr.ts'
import { parseSipUri } from './uri.ts'

/** Where a request goes first: a name still to be resolved, or an address. */
export type NextHop = { readonly transport: TransportName; readonly host: string; readonly port: number }

/** RFC 3261 section 19.1.2. */
const DEFAULT_PORT = 5060

/**
 * Chooses the next hop (RFC 3261 section 8.1.2): the application's outbound proxy, else the first Route, else the
 * request URI. Undefined for anything but a sip URI with a transport that is served.
 */
export function nextHopOf(request: {
  readonly routeUrl: string | undefined
  readonly route: string | undefined
  readonly uri: string
}): NextHop | undefined {
  const routeUri = request.route === undefined ? undefined : parseNameAddr(request.route)?.uri
  const uri = parseSipUri(request.routeUrl ?? routeUri ?? request.uri)
  if (uri === undefined || uri.scheme === 'sips') return undefined
  const transport = (uri.parameters.get('transport') ?? 'udp').toLowerCase()
  if (transport !== 'udp' && transport !== 'tcp') return undefined
  return { transport, host: uri.parameters.get('maddr') ?? uri.host, port: uri.port ?? DEFAULT_PORT }
}

/** The address of a next hop by the system's resolver; RFC 3263 (NAPTR, SRV) is not consulted. */
export async function resolveNextHop(hop: NextHop, deadlineMs: number): Promise<Address | undefined> {
  if (isIP(hop.host) !== 0) return { host: hop.host, port: hop.port }
  let slow: NodeJS.Timeout | undefined
  const deadline = new Promise<undefined>((resolve) => {
    slow = setTimeout(resolve, deadlineMs, undefined)
  })
  try {
    const found = await Promise.race([lookup(hop.host, { family: 4 }), deadline])
    return found === undefined ? undefined : { host: found.address, port: hop.port }
  } catch {
    return undefined
  } finally {
    clearTimeout(slow)
  }
}
