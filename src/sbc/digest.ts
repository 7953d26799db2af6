import { randomBytes } from 'node:crypto'
import {
  algorithmOf,
  digestResponse,
  escapeQuoted,
  readDigests,
  writeDigest,
  type DigestAlgorithm,
  type DigestParameters,
  type Qop,
} from './digest-response.ts'

/** What a peer asked, and what it is answered with. */
export type ChallengedRequest = {
  /** Values of WWW-Authenticate (401) or Proxy-Authenticate (407), joined by commas or not. */
  readonly challenges: readonly string[]
  readonly method: string
  /** The request URI exactly as it will be sent. */
  readonly uri: string
  readonly user: string
  readonly password: string
  readonly body?: Buffer
  /** Counts of the nonces of this peer; one object for as long as requests are sent to it. */
  readonly nonceCounts: NonceCounts
  /** The credentials that this request carried when it was challenged; undefined when it had none. */
  readonly sent?: string | undefined
}

/**
 * Answers a digest challenge (RFC 7616, RFC 8760, RFC 3261 section 22). The result's `credentials` is the value of
 * Authorization (after 401) or Proxy-Authorization (after 407); the request is sent again with it, its CSeq one higher,
 * Call-ID and From unchanged. The topmost challenge that we can compute is answered (RFC 8760 section 2.4).
 *
 * Refused: `not_digest` nothing that we know was asked for; `rejected` the peer saw these credentials and does not want
 * them, so sending them again is of no use (RFC 3261 section 22.1); `unwritable` user or URI cannot stand in a header.
 */
export function answerChallenge(
  request: ChallengedRequest,
):
  | { readonly kind: 'answered'; readonly credentials: string; readonly algorithm: DigestAlgorithm }
  | { readonly kind: 'refused'; readonly code: 'not_digest' | 'rejected' | 'unwritable' } {
  const { method, uri, user, password, nonceCounts } = request
  if (!WRITABLE.test(user) || !WRITABLE.test(uri) || uri.includes('"')) return { kind: 'refused', code: 'unwritable' }
  const challenge = chooseChallenge(request.challenges)
  if (challenge === undefined) return { kind: 'refused', code: 'not_digest' }
  const { algorithm, realm, nonce, opaque, stale, qopName } = challenge
  if (request.sent !== undefined && !stale && readDigests([request.sent]).some((sent) => sent.get('realm') === realm))
    return { kind: 'refused', code: 'rejected' }
  const cnonce = randomBytes(CNONCE_BYTES).toString('hex')
  const qop = qopName === undefined ? undefined : { name: qopName, nonceCount: nonceCounts.next(nonce) }
  const response = digestResponse({
    algorithm,
    user,
    realm,
    password,
    nonce,
    method,
    uri,
    body: request.body ?? Buffer.alloc(0),
    qop,
    cnonce,
  })
  const parameters: [string, string][] = [
    ['username', escapeQuoted(user)],
    ['realm', realm],
    ['nonce', nonce],
    ['uri', uri],
    ['response', response],
    ['algorithm', algorithm],
  ]
  if (qop !== undefined) parameters.push(['qop', qop.name], ['nc', qop.nonceCount])
  if (qop !== undefined || algorithm.endsWith('-sess')) parameters.push(['cnonce', cnonce])
  if (opaque !== undefined) parameters.push(['opaque', opaque])
  return { kind: 'answered', credentials: writeDigest(parameters), algorithm }
}

/** Nonces whose counts are kept: one peer gives one at a time, so this is many peers or a long time. */
const NONCES_MAX = 1_000

/** How often each nonce was used (RFC 7616 section 3.4, nc). One that was forgotten is asked for anew by its peer. */
export class NonceCounts {
  readonly #counts = new Map<string, number>()

  /** The nc of the next use, eight hex digits. */
  next(nonce: string): string {
    const count = (this.#counts.get(nonce) ?? 0) + 1
    this.#counts.delete(nonce)
    this.#counts.set(nonce, count)
    if (this.#counts.size > NONCES_MAX) this.#forgetOldest()
    return count.toString(16).padStart(8, '0')
  }

  #forgetOldest(): void {
    const [oldest] = this.#counts.keys()
    if (oldest !== undefined) this.#counts.delete(oldest)
  }
}

/** 128 bits: nobody can prepare a table for it (RFC 7616 section 5.9). */
const CNONCE_BYTES = 16

/** No control character, nothing that could end the header; what is not ASCII goes as UTF-8. */
const WRITABLE = /^[^\p{Cc}]{1,256}$/u

type Challenge = {
  readonly algorithm: DigestAlgorithm
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | undefined
  readonly stale: boolean
  readonly qopName: Qop | undefined
}

function chooseChallenge(values: readonly string[]): Challenge | undefined {
  for (const parameters of readDigests(values)) {
    const challenge = understood(parameters)
    if (challenge !== undefined) return challenge
  }
  return undefined
}

function understood(parameters: DigestParameters): Challenge | undefined {
  const algorithm = algorithmOf(parameters)
  const realm = parameters.get('realm')
  const nonce = parameters.get('nonce')
  if (algorithm === undefined || realm === undefined || nonce === undefined || nonce === '') return undefined
  const offered = parameters
    .get('qop')
    ?.toLowerCase()
    .split(/[\s,]+/)
  const qopName =
    offered?.includes('auth') === true ? 'auth' : offered?.includes('auth-int') === true ? 'auth-int' : undefined
  // A server that wants something else than these would not accept the old form either.
  if (offered !== undefined && qopName === undefined) return undefined
  const stale = parameters.get('stale')?.toLowerCase() === 'true'
  return { algorithm, realm, nonce, opaque: parameters.get('opaque'), stale, qopName }
}
