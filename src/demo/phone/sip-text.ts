/** An address and a UDP port. */
export type Peer = { readonly host: string; readonly port: number }

/** One header line: the long form of its name in lower case, and its value. */
export type SipHeader = readonly [name: string, value: string]

export type SipRequest = {
  readonly kind: 'request'
  readonly method: string
  readonly uri: string
  readonly headers: readonly SipHeader[]
  readonly body: string
}

export type SipResponse = {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
  readonly headers: readonly SipHeader[]
  readonly body: string
}

export type SipMessage = SipRequest | SipResponse

/** A UDP datagram cannot be longer, so a message cannot either. */
export const SIP_BYTES_MAX = 65_507

/** More header lines than any phone of ours needs; a longer list is refused unread. */
const HEADERS_MAX = 128

/** Compact header names (RFC 3261 section 7.3.3 and the IANA list). */
const LONG_NAMES: Readonly<Record<string, string>> = {
  c: 'content-type',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  s: 'subject',
  t: 'to',
  v: 'via',
}

/** Headers that may carry several values in one line and whose order matters to a phone. */
const LISTS: ReadonlySet<string> = new Set(['via', 'route', 'record-route'])

/** Reads one datagram (RFC 3261 section 7). Returns undefined for anything that is not SIP. */
export function parseSip(datagram: Buffer): SipMessage | undefined {
  if (datagram.length > SIP_BYTES_MAX) return undefined
  const text = datagram.toString('utf8')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first = '', ...lines] = text
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  if (lines.length > HEADERS_MAX) return undefined
  const headers: SipHeader[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) return undefined
    const short = line.slice(0, colon).trim().toLowerCase()
    const name = LONG_NAMES[short] ?? short
    const value = line.slice(colon + 1).trim()
    if (LISTS.has(name)) for (const part of splitList(value)) headers.push([name, part])
    else headers.push([name, value])
  }
  const body = text.slice(end + 4)
  const response = /^SIP\/2\.0 ([1-6]\d\d) ?(.*)$/.exec(first)
  if (response !== null) {
    return { kind: 'response', status: Number(response[1]), reason: response[2] ?? '', headers, body }
  }
  const request = /^([A-Z]{1,20}) (\S{1,1024}) SIP\/2\.0$/.exec(first)
  if (request === null) return undefined
  return { kind: 'request', method: request[1] ?? '', uri: request[2] ?? '', headers, body }
}

/** Writes one datagram; Content-Length is always added here, so no caller can get it wrong. */
export function formatSip(message: SipMessage): Buffer {
  const first =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`
  const body = Buffer.from(message.body, 'utf8')
  const lines = message.headers
    .filter(([name]) => name !== 'content-length')
    .map(([name, value]) => `${titleCase(name)}: ${value}`)
  const head = [first, ...lines, `Content-Length: ${body.length}`, '', ''].join('\r\n')
  return Buffer.concat([Buffer.from(head, 'utf8'), body])
}

/** The first value of a header, named in lower case. */
export function headerOf(message: SipMessage, name: string): string | undefined {
  return message.headers.find(([found]) => found === name)?.[1]
}

/** All values of a header, in order. */
export function headersOf(message: SipMessage, name: string): readonly string[] {
  return message.headers.filter(([found]) => found === name).map(([, value]) => value)
}

/** The tag of a From or To value. */
export function tagOf(value: string): string | undefined {
  return /;\s*tag=([^;\s>]+)/i.exec(value.slice(value.lastIndexOf('>') + 1))?.[1]
}

/** The URI inside a Contact, From, To, Route or Record-Route value. */
export function uriOf(value: string): string {
  return /<([^>]*)>/.exec(value)?.[1] ?? value.split(';')[0]?.trim() ?? ''
}

/** Where a SIP URI points; the demo never resolves names, so the host is an address or "localhost". */
export function hostPortOf(uri: string): Peer | undefined {
  const found = /^sips?:(?:[^@]*@)?([0-9.]+|localhost)(?::(\d{1,5}))?(?:[;?].*)?$/i.exec(uri)
  if (found === null) return undefined
  return { host: found[1] === 'localhost' ? '127.0.0.1' : (found[1] ?? ''), port: Number(found[2] ?? 5060) }
}

function splitList(value: string): string[] {
  const parts: string[] = []
  let quoted = false
  let angle = false
  let from = 0
  for (let at = 0; at < value.length; at += 1) {
    const sign = value[at]
    if (sign === '"' && value[at - 1] !== '\\') quoted = !quoted
    else if (!quoted && sign === '<') angle = true
    else if (!quoted && sign === '>') angle = false
    else if (!quoted && !angle && sign === ',') {
      parts.push(value.slice(from, at).trim())
      from = at + 1
    }
  }
  parts.push(value.slice(from).trim())
  return parts
}

function titleCase(name: string): string {
  if (name === 'call-id') return 'Call-ID'
  if (name === 'cseq') return 'CSeq'
  return name.replaceAll(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())
}
