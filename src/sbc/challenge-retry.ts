import { answerChallenge, type NonceCounts } from './digest.ts'
import type { SipHeaders, SipMessage } from './sip-server.ts'
import type { Credentials } from './trunk-secrets.ts'

/**
 * The headers of the same request once more, with what a 401 or 407 asks for: Call-ID and From unchanged and CSeq one
 * higher (RFC 3261 section 22.2). null: it was no challenge, or one that cannot be answered.
 */
export function challengeRetry(options: {
  readonly method: string
  /** The request URI as it was sent. */
  readonly uri: string
  readonly headers: SipHeaders
  readonly body: string
  /** The request as the SIP server sent it. */
  readonly sent: Pick<SipMessage, 'get'> | null
  readonly response: (Pick<SipMessage, 'get'> & { readonly status?: number }) | null
  readonly status: number
  readonly credentials: Credentials | null
  readonly nonceCounts: NonceCounts
}): SipHeaders | null {
  const { method, uri, headers, body, sent, response, status, credentials, nonceCounts } = options
  if ((status !== 401 && status !== 407) || credentials === null || sent === null || response === null) return null
  const [asked, answered] =
    status === 401 ? ['WWW-Authenticate', 'Authorization'] : ['Proxy-Authenticate', 'Proxy-Authorization']
  const answer = answerChallenge({
    challenges: [response.get(asked) ?? ''],
    method,
    uri,
    ...credentials,
    body: Buffer.from(body),
    nonceCounts,
    sent: headers[answered],
  })
  const sequence = /^\s*(\d{1,10})/.exec(sent.get('CSeq') ?? '')?.[1]
  const [callId, from] = [sent.get('Call-ID'), sent.get('From')]
  if (answer.kind === 'refused' || sequence === undefined || callId === undefined || from === undefined) return null
  const others = Object.entries(headers).filter(([name]) => !REPEATED.has(name.toLowerCase()))
  return {
    ...Object.fromEntries(others),
    'Call-ID': callId,
    From: from,
    CSeq: `${Number(sequence) + 1} ${method}`,
    [answered]: answer.credentials,
  }
}

const REPEATED: ReadonlySet<string> = new Set(['call-id', 'from', 'cseq'])
