import { isIP } from 'node:net'
import { parseParameters } from './header-list.ts'

/** A sip or sips URI (RFC 3261 section 19.1). `host` of an IPv6 reference is without its brackets. */
export type SipUri = {
  readonly scheme: 'sip' | 'sips'
  readonly user: string | undefined
  readonly host: string
  readonly port: number | undefined
  readonly parameters: ReadonlyMap<string, string>
}

/** A longer URI is not one that a telephone sends; it bounds every scan below. */
const URI_LENGTH_MAX = 2048

const HOST_NAME = /^[A-Za-z0-9_.-]{1,255}$/

/** Parses a sip or sips URI, or returns undefined: another scheme (tel), two `@`, a bad host or port. */
export function parseSipUri(text: string): SipUri | undefined {
  if (text.length > URI_LENGTH_MAX) return undefined
  const colon = text.indexOf(':')
  const scheme = text.slice(0, colon).toLowerCase()
  if (scheme !== 'sip' && scheme !== 'sips') return undefined
  const at = text.indexOf('@', colon + 1)
  if (at !== -1 && text.includes('@', at + 1)) return undefined
  const user = at === -1 ? undefined : text.slice(colon + 1, at)
  let rest = at === -1 ? text.slice(colon + 1) : text.slice(at + 1)
  const question = rest.indexOf('?')
  if (question !== -1) rest = rest.slice(0, question)
  const semicolon = rest.indexOf(';')
  const hostPort = parseHostPort(semicolon === -1 ? rest : rest.slice(0, semicolon))
  if (hostPort === undefined) return undefined
  return { scheme, user, ...hostPort, parameters: parseParameters(semicolon === -1 ? '' : rest.slice(semicolon + 1)) }
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number | undefined } | undefined {
  if (text.startsWith('[')) {
    const close = text.indexOf(']')
    if (close === -1) return undefined
    const written = text.slice(1, close)
    // RFC 3261's grammar led some to write three colons; they have to be understood (RFC 5118 section 4.10).
    const host = isIP(written) === 6 ? written : written.replace(':::', '::')
    if (isIP(host) !== 6) return undefined
    return withPort(host, text.slice(close + 1))
  }
  const colon = text.indexOf(':')
  const host = colon === -1 ? text : text.slice(0, colon)
  if (!HOST_NAME.test(host)) return undefined
  return withPort(host, colon === -1 ? '' : text.slice(colon))
}

function withPort(
  host: string,
  rest: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  if (rest === '') return { host, port: undefined }
  if (!/^:\d{1,5}$/.test(rest)) return undefined
  const port = Number(rest.slice(1))
  return port >= 1 && port <= 65535 ? { host, port } : undefined
}
