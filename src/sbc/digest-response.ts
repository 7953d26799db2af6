import { createHash } from 'node:crypto'

/** The algorithms of RFC 8760 and RFC 3261 that we answer and check; SHA-512-256 is asked for by nobody. */
export const DIGEST_ALGORITHMS = ['SHA-256', 'SHA-256-sess', 'MD5', 'MD5-sess'] as const
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number]

export type Qop = 'auth' | 'auth-int'

/** Everything that goes into one response value. Without `qop` it is the old form of RFC 2069. */
export type DigestInput = {
  readonly algorithm: DigestAlgorithm
  readonly user: string
  readonly realm: string
  readonly password: string
  readonly nonce: string
  readonly method: string
  readonly uri: string
  readonly body: Buffer
  readonly qop: { readonly name: Qop; readonly nonceCount: string } | undefined
  readonly cnonce: string
}

/** The `response` of RFC 7616 section 3.4.1, as lower-case hex digits. */
export function digestResponse(input: DigestInput): string {
  const { algorithm, user, realm, password, nonce, method, uri, body, qop, cnonce } = input
  const hash = (text: string | Buffer): string =>
    createHash(algorithm.startsWith('SHA-256') ? 'sha256' : 'md5')
      .update(text)
      .digest('hex')
  const secret = hash(`${user}:${realm}:${password}`)
  const first = algorithm.endsWith('-sess') ? hash(`${secret}:${nonce}:${cnonce}`) : secret
  const second = hash(qop?.name === 'auth-int' ? `${method}:${uri}:${hash(body)}` : `${method}:${uri}`)
  if (qop === undefined) return hash(`${first}:${nonce}:${second}`)
  return hash(`${first}:${nonce}:${qop.nonceCount}:${cnonce}:${qop.name}:${second}`)
}

/** The algorithm of a challenge or of credentials; none named means MD5 (RFC 7616 section 3.3). */
export function algorithmOf(parameters: DigestParameters): DigestAlgorithm | undefined {
  const name = (parameters.get('algorithm') ?? 'MD5').toLowerCase()
  return DIGEST_ALGORITHMS.find((algorithm) => algorithm.toLowerCase() === name)
}

/** Parameters by lower-case name; a quoted value without its quotes, its escapes as they were written. */
export type DigestParameters = ReadonlyMap<string, string>

/** Longer headers are of nobody who wants to be answered. */
const VALUE_LENGTH_MAX = 8_192

/** Challenges or credentials in one header value; each realm of each proxy on the way has one for each algorithm. */
const SCHEMES_MAX = 16

/**
 * The Digest challenges (WWW-Authenticate, Proxy-Authenticate) or credentials (Authorization, Proxy-Authorization) of
 * header values, in their order; other schemes are left out. drachtio-srf joins the lines of a header by commas, so one
 * value may hold several (RFC 9110 section 11.6.1 has the grammar). What cannot be read to its end is dropped.
 */
export function readDigests(values: readonly string[]): DigestParameters[] {
  return values.flatMap((value) => (value.length > VALUE_LENGTH_MAX ? [] : readValue(value)))
}

function readValue(value: string): DigestParameters[] {
  const found: Map<string, string>[] = []
  let current: Map<string, string> | undefined
  let at = 0
  while (at < value.length && found.length < SCHEMES_MAX) {
    SEPARATORS.lastIndex = at
    at += SEPARATORS.exec(value)?.[0].length ?? 0
    if (at === value.length) break
    PARAMETER.lastIndex = at
    const parameter = PARAMETER.exec(value)
    if (parameter !== null) {
      const name = (parameter[1] ?? '').toLowerCase()
      if (current?.has(name) === false) current.set(name, parameter[2] ?? parameter[3] ?? '')
      at = PARAMETER.lastIndex
      continue
    }
    SCHEME.lastIndex = at
    const scheme = SCHEME.exec(value)
    if (scheme === null) break
    current = new Map()
    if (scheme[1]?.toLowerCase() === 'digest') found.push(current)
    at = SCHEME.lastIndex
  }
  return found
}

const SEPARATORS = /[\s,]*/y
const PARAMETER = /([\w\-.!%*+`'~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))(?=\s*(?:,|$))/y
const SCHEME = /([\w\-.!%*+`'~]+)(?=\s|$)/y

/** One value of Digest parameters, those of `bare` without quotes. */
export function writeDigest(parameters: readonly (readonly [string, string])[]): string {
  return `Digest ${parameters.map(([name, value]) => `${name}=${BARE.has(name) ? value : `"${value}"`}`).join(', ')}`
}

/** RFC 7616 sections 3.3 and 3.4: these are tokens; everything else is a quoted string. */
const BARE = new Set(['algorithm', 'nc', 'stale', 'qop'])

/** A text as the inside of a quoted string (RFC 3261 section 25.1). */
export function escapeQuoted(text: string): string {
  return text.replace(/["\\]/g, '\\$&')
}

export function unescapeQuoted(text: string): string {
  return text.replace(/\\(.)/g, '$1')
}
