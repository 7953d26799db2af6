import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  algorithmOf,
  digestResponse,
  escapeQuoted,
  readDigests,
  unescapeQuoted,
  writeDigest,
  type DigestAlgorithm,
  type DigestParameters,
} from './digest-response.ts'

export type DigestGateOptions = {
  readonly realm: string
  /** The password of a user of this realm, or undefined for an unknown one. */
  readonly passwordOf: (user: string) => string | undefined
  /** Offered in this order: a peer takes the first that it can do (RFC 8760 section 2.3). */
  readonly algorithms?: readonly DigestAlgorithm[]
  /** How long a nonce is good; default 5 minutes. */
  readonly nonceLifetimeMs?: number
  /** Milliseconds of a clock that does not go back. */
  readonly nowMs?: () => number
}

/** A request whose credentials are to be checked. ACK and CANCEL cannot be challenged (RFC 3261 section 22.1). */
export type GatedRequest = {
  readonly method: string
  /** The request URI. */
  readonly uri: string
  readonly body?: Buffer
  /** Values of Authorization, or of Proxy-Authorization for a proxy. */
  readonly credentials: readonly string[]
}

export type ChallengeCode = 'missing' | 'malformed' | 'stale' | 'replayed' | 'wrong'

/**
 * What a request hears: `accepted` with the user who proved itself, or a 401 (407) with one header line for each of
 * `challenges`. The code is for metrics and logs; nobody outside may learn whether user or password was wrong.
 */
export type GateAnswer =
  | { readonly kind: 'accepted'; readonly user: string }
  | { readonly kind: 'challenge'; readonly code: ChallengeCode; readonly challenges: readonly string[] }

/**
 * Checks digest credentials (RFC 7616, RFC 8760, RFC 3261 section 22.4). A nonce carries its time and a MAC, so that
 * nothing is remembered of those who only ask; of those who proved themselves the highest nonce count is.
 */
export class DigestGate {
  readonly #options: DigestGateOptions
  readonly #algorithms: readonly DigestAlgorithm[]
  readonly #lifetimeMs: number
  readonly #nowMs: () => number
  readonly #key = randomBytes(MAC_KEY_BYTES)
  /** For users that do not exist, so that they take as long as those who do. */
  readonly #nobody = randomBytes(16).toString('hex')
  /** Highest count that was accepted, by nonce, in the order of first use. */
  readonly #used = new Map<string, { count: number; readonly issuedMs: number }>()
  /** Nonces that are not younger are refused: their counts may have been forgotten. */
  #forgottenMs = Number.NEGATIVE_INFINITY

  constructor(options: DigestGateOptions) {
    this.#options = options
    this.#algorithms = options.algorithms ?? ['SHA-256', 'MD5']
    this.#lifetimeMs = options.nonceLifetimeMs ?? NONCE_LIFETIME_MS
    this.#nowMs = options.nowMs ?? (() => performance.now())
  }

  check(request: GatedRequest): GateAnswer {
    const given = readDigests(request.credentials).find(
      (parameters) => unescapeQuoted(parameters.get('realm') ?? '') === this.#options.realm,
    )
    if (given === undefined) return this.#challenge('missing')
    const credentials = readCredentials(given)
    if (credentials === undefined || !this.#algorithms.includes(credentials.algorithm))
      return this.#challenge('malformed')
    if (!sameTarget(credentials.uri, request.uri)) return this.#challenge('malformed')
    const password = this.#options.passwordOf(credentials.user)
    const expected = digestResponse({
      ...credentials,
      realm: given.get('realm') ?? '',
      password: password ?? this.#nobody,
      method: request.method,
      body: request.body ?? Buffer.alloc(0),
    })
    if (!equal(expected, credentials.response) || password === undefined) return this.#challenge('wrong')
    const issuedMs = this.#issuedMs(credentials.nonce)
    if (issuedMs === undefined || this.#nowMs() - issuedMs > this.#lifetimeMs || issuedMs <= this.#forgottenMs)
      return this.#challenge('stale')
    // Without qop there is no count: such a peer needs a nonce for each request.
    const count = credentials.qop === undefined ? 1 : Number.parseInt(credentials.qop.nonceCount, 16)
    if (!this.#count(credentials.nonce, issuedMs, count)) return this.#challenge('replayed')
    return { kind: 'accepted', user: credentials.user }
  }

  /** The values of WWW-Authenticate or Proxy-Authenticate, one line each (RFC 3261 section 7.3.1 forbids joining them). */
  #challenge(code: ChallengeCode): GateAnswer {
    const nonce = this.#newNonce()
    const stale: readonly (readonly [string, string])[] =
      code === 'stale' || code === 'replayed' ? [['stale', 'true']] : []
    const challenges = this.#algorithms.map((algorithm) =>
      writeDigest([
        ['realm', escapeQuoted(this.#options.realm)],
        ['nonce', nonce],
        ...stale,
        ['algorithm', algorithm],
        // A quoted list here, a token in credentials (RFC 7616 sections 3.3 and 3.4).
        ['qop', '"auth"'],
      ]),
    )
    return { kind: 'challenge', code, challenges }
  }

  #newNonce(): string {
    const head = Buffer.alloc(NONCE_HEAD_BYTES)
    head.writeDoubleBE(this.#nowMs())
    randomBytes(NONCE_HEAD_BYTES - 8).copy(head, 8)
    return Buffer.concat([head, this.#mac(head)]).toString('base64url')
  }

  /** When a nonce of ours was made, or undefined for one that is not ours. */
  #issuedMs(nonce: string): number | undefined {
    const bytes = Buffer.from(nonce, 'base64url')
    if (bytes.length !== NONCE_HEAD_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce) return undefined
    const head = bytes.subarray(0, NONCE_HEAD_BYTES)
    return timingSafeEqual(this.#mac(head), bytes.subarray(NONCE_HEAD_BYTES)) ? head.readDoubleBE() : undefined
  }

  #mac(head: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(head).digest().subarray(0, MAC_BYTES)
  }

  /** Takes a count that is higher than all before it; false for one that was seen (RFC 7616 section 5.5). */
  #count(nonce: string, issuedMs: number, count: number): boolean {
    const known = this.#used.get(nonce)
    if (count <= (known?.count ?? 0)) return false
    if (known !== undefined) known.count = count
    else {
      this.#used.set(nonce, { count, issuedMs })
      if (this.#used.size > NONCES_MAX) this.#forgetOldest()
    }
    return true
  }

  #forgetOldest(): void {
    for (const [nonce, { issuedMs }] of this.#used) {
      this.#used.delete(nonce)
      this.#forgottenMs = Math.max(this.#forgottenMs, issuedMs)
      return
    }
  }
}

const NONCE_LIFETIME_MS = 300_000

/** Nonces whose counts are kept; each belongs to somebody who knows a password. */
const NONCES_MAX = 10_000

/** As long as the hash (RFC 2104 section 3). */
const MAC_KEY_BYTES = 32

/** Half a SHA-256: too long to guess over the network. */
const MAC_BYTES = 16

/** Eight bytes of time and eight of chance. */
const NONCE_HEAD_BYTES = 16

type Credentials = {
  readonly algorithm: DigestAlgorithm
  readonly user: string
  readonly nonce: string
  readonly uri: string
  readonly response: string
  readonly cnonce: string
  readonly qop: { readonly name: 'auth'; readonly nonceCount: string } | undefined
}

function readCredentials(given: DigestParameters): Credentials | undefined {
  const algorithm = algorithmOf(given)
  const nonce = given.get('nonce')
  const uri = given.get('uri')
  const response = given.get('response')?.toLowerCase()
  const cnonce = given.get('cnonce')
  const qopName = given.get('qop')?.toLowerCase()
  const nonceCount = given.get('nc')
  if (algorithm === undefined || nonce === undefined || uri === undefined || response === undefined) return undefined
  if (!/^[0-9a-f]{32,64}$/.test(response)) return undefined
  const user = unescapeQuoted(given.get('username') ?? '')
  const common = { algorithm, user, nonce, uri, response, cnonce: cnonce ?? '' }
  if (qopName === undefined)
    return algorithm.endsWith('-sess') && cnonce === undefined ? undefined : { ...common, qop: undefined }
  if (qopName !== 'auth' || cnonce === undefined || nonceCount === undefined) return undefined
  return /^[0-9a-fA-F]{8}$/.test(nonceCount) ? { ...common, qop: { name: 'auth', nonceCount } } : undefined
}

function equal(expected: string, given: string): boolean {
  return expected.length === given.length && timingSafeEqual(Buffer.from(expected), Buffer.from(given))
}

/**
 * True when credentials were made for this request URI (RFC 3261 section 22.4): the same user and host. Telephones leave
 * out parameters and the port.
 */
function sameTarget(claimed: string, actual: string): boolean {
  const one = TARGET.exec(claimed)
  const other = TARGET.exec(actual)
  if (one === null || other === null) return claimed === actual
  return (one[1] ?? '') === (other[1] ?? '') && one[2]?.toLowerCase() === other[2]?.toLowerCase()
}

const TARGET = /^sips?:(?:([^@]*)@)?(\[[0-9a-f:.]+\]|[^:;?>[\]]+)/i
