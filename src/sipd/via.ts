import { hostPortText } from '../kit/host-text.ts'
import type { TransportName } from './flow.ts'
import { parseParameters } from './header-list.ts'
import { parseHostPort } from './uri.ts'

/** The top Via of a message (RFC 3261 section 20.42). `parameters` holds branch, rport, received and the rest. */
export type Via = {
  readonly transport: string
  readonly host: string
  readonly port: number | undefined
  readonly branch: string
  readonly parameters: ReadonlyMap<string, string>
}

/** Branches of RFC 3261 elements start so, and are unique; others are matched as RFC 2543 did (section 17.2.3). */
export const BRANCH_COOKIE = 'z9hG4bK'

/** White space may stand around the slashes. The version is that of the start line, which is looked at elsewhere. */
const VIA_HEAD = /^SIP[ \t]*\/[ \t]*\d{1,3}\.\d{1,3}[ \t]*\/[ \t]*([A-Za-z-]{1,16})[ \t]+([^\s;,]{1,300})[ \t]*$/i

/** Parses one Via value; undefined when protocol, sent-by or version cannot be read. */
export function parseVia(value: string): Via | undefined {
  const semicolon = value.indexOf(';')
  const head = VIA_HEAD.exec(semicolon === -1 ? value : value.slice(0, semicolon))
  const sentBy = head?.[2] === undefined ? undefined : parseHostPort(head[2])
  const transport = head?.[1]
  if (sentBy === undefined || transport === undefined) return undefined
  const parameters = parseParameters(semicolon === -1 ? '' : value.slice(semicolon + 1))
  return { transport: transport.toUpperCase(), ...sentBy, branch: parameters.get('branch') ?? '', parameters }
}

/**
 * Our own Via for a request that leaves from `local`. rport asks for the answer on the same path (RFC 3581 section 3),
 * alias offers a TLS connection for the peer's requests too (RFC 5923 section 8.1): we show a certificate on it.
 */
export function formatVia(options: {
  readonly transport: TransportName
  readonly local: { readonly host: string; readonly port: number }
  readonly branch: string
}): string {
  const alias = options.transport === 'tls' ? ';alias' : ''
  return `SIP/2.0/${options.transport.toUpperCase()} ${hostPortText(options.local)};branch=${options.branch};rport${alias}`
}

/** Writes where a request really came from into its top Via: received (RFC 3261 section 18.2.1), rport (RFC 3581 section 4). */
export function stampVia(value: string, via: Via, source: { readonly host: string; readonly port: number }): string {
  const asked = via.parameters.has('rport')
  if (!asked && via.host === source.host) return value
  const semicolon = value.indexOf(';')
  let stamped = (semicolon === -1 ? value : value.slice(0, semicolon)).trimEnd()
  for (const [name, content] of via.parameters) {
    if (name !== 'received' && name !== 'rport') stamped += content === '' ? `;${name}` : `;${name}=${content}`
  }
  return `${stamped};received=${source.host}${asked ? `;rport=${source.port}` : ''}`
}
