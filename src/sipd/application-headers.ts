import { hostPortText } from '../kit/host-text.ts'
import { isIP } from 'node:net'
import type { Address, Flow } from './flow.ts'
import { splitList } from './header-list.ts'
import { header, listOf, valueOf, type Header, type SipMessage } from './message.ts'
import { parseNameAddr, replaceLocalhost } from './name-addr.ts'
import { parseSipUri } from './uri.ts'

/** What the server decides, whatever the application wrote. */
const SERVERS_OWN = new Set([
  'via',
  'route',
  'record-route',
  'rseq',
  'content-length',
  'max-forwards',
  'call-id',
  'cseq',
  'from',
  'to',
  'contact',
])

const ADDRESSES_OF_OURS = new Set(['p-asserted-identity', 'p-preferred-identity', 'remote-party-id'])

/** Headers with commas of their own, which may not be joined (RFC 3261 section 7.3.1). */
const CHALLENGES = new Set(['www-authenticate', 'proxy-authenticate', 'authorization', 'proxy-authorization'])

/** The headers of an application's message that go out as they are, `@localhost` in identities replaced. */
export function applicationHeaders(message: SipMessage, flow: Flow): Header[] {
  const hostPort = hostPortText(flow.local)
  const kept: Header[] = []
  for (const field of message.headers) {
    if (SERVERS_OWN.has(field.key)) continue
    if (CHALLENGES.has(field.key)) {
      kept.push(...splitChallenges(field))
      continue
    }
    kept.push(ADDRESSES_OF_OURS.has(field.key) ? { ...field, value: replaceLocalhost(field.value, hostPort) } : field)
  }
  return kept
}

/** One line for each challenge: drachtio-srf joins the lines that its application gives it. */
function splitChallenges(field: Header): Header[] {
  const challenges: string[] = []
  for (const part of splitList(field.value)) {
    const last = challenges.length - 1
    // A new challenge begins with the name of its scheme; what goes on begins with a parameter.
    if (last === -1 || /^[\w-]+\s+[\w-]+\s*=/.test(part)) challenges.push(part)
    else challenges[last] = `${challenges[last] ?? ''}, ${part}`
  }
  return challenges.map((value) => ({ ...field, value }))
}

/** Content-Type: application/sdp for a body that begins like SDP; a body of unknown type is refused. */
export function contentTypeHeaders(message: SipMessage): readonly Header[] | 'missing' {
  if (message.body.length === 0 || valueOf(message, 'content-type') !== undefined) return []
  return message.body.subarray(0, 3).toString('latin1') === 'v=0'
    ? [header('Content-Type', 'application/sdp')]
    : 'missing'
}

/**
 * The Contact that leads back to the socket of this flow, with the application's user part and parameters if it gave
 * one. `requestUri` of scheme sips makes it a sips URI (RFC 3261 sections 8.1.1.8 and 12.1.1).
 */
export function contactHeader(message: SipMessage, flow: Flow, requestUri: string): Header {
  const secure = /^sips:/i.test(requestUri)
  const written = listOf(message, 'contact')[0]
  const given = secure ? written?.replace(/(^|<)sip:/i, '$1sips:') : written
  const nobody = given === undefined || /^<?sips?:localhost>?$/i.test(given)
  const hostPort = hostPortText(flow.local)
  const transport = flow.transport === 'udp' || secure ? '' : `;transport=${flow.transport}`
  if (nobody) return header('Contact', `<${secure ? 'sips' : 'sip'}:${hostPort}${transport}>`)
  const replaced = replaceLocalhost(given, `${hostPort}${transport}`)
  if (replaced === given || replaced.includes('<')) return header('Contact', replaced)
  const semicolon = given.indexOf(';')
  const uri = replaceLocalhost(semicolon === -1 ? given : given.slice(0, semicolon), `${hostPort}${transport}`)
  return header('Contact', `<${uri}>${semicolon === -1 ? '' : given.slice(semicolon)}`)
}

/** The listening address that the application's Contact names, if it names one: how it chooses between networks. */
export function contactAddress(message: SipMessage): Address | undefined {
  const contact = parseNameAddr(valueOf(message, 'contact') ?? '')
  const uri = contact === undefined ? undefined : parseSipUri(contact.uri)
  return uri === undefined || isIP(uri.host) === 0 ? undefined : { host: uri.host, port: uri.port ?? 5060 }
}
