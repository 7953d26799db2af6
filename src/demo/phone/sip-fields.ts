import { randomBytes } from 'node:crypto'
import { headerOf, headersOf, type Peer, type SipMessage, type SipRequest } from './sip-text.ts'

/** The branch of the topmost Via, which names the transaction (RFC 3261 section 17.1.3). */
export function branchOf(message: SipMessage): string | undefined {
  const [via] = headersOf(message, 'via')
  return via === undefined ? undefined : /;\s*branch=([^;\s,]+)/i.exec(via)?.[1]
}

export function sequenceOf(message: SipMessage): { readonly number: number; readonly method: string } | undefined {
  const found = /^(\d{1,10})\s+([A-Z]+)$/.exec(headerOf(message, 'cseq') ?? '')
  return found === null ? undefined : { number: Number(found[1]), method: found[2] ?? '' }
}

/** CANCEL has the branch of its INVITE, so a transaction is a branch and a method. */
export function transactionKey(request: SipRequest): string {
  return `${branchOf(request) ?? ''} ${request.method}`
}

/** CANCEL and the ACK of a refusal repeat the INVITE's Via, From, Call-ID and number. */
export function sameTransaction(invite: SipRequest, method: 'ACK' | 'CANCEL', to: string): SipRequest {
  const via = invite.headers.find(([name]) => name === 'via')
  const kept = invite.headers.filter(
    ([name]) => name === 'route' || name === 'max-forwards' || name === 'from' || name === 'call-id',
  )
  return {
    kind: 'request',
    method,
    uri: invite.uri,
    headers: [
      ...(via === undefined ? [] : [via]),
      ...kept,
      ['to', to],
      ['cseq', `${sequenceOf(invite)?.number ?? 1} ${method}`],
    ],
    body: '',
  }
}

/** With rport an answer goes back to the source port (RFC 3581), else to the port that Via names (section 18.2.2). */
export function responsePeer(request: SipRequest, source: Peer): Peer {
  const [via = ''] = headersOf(request, 'via')
  if (/;\s*rport/i.test(via)) return source
  const port = /^SIP\/2\.0\/UDP\s+[^;:\s]+:(\d{1,5})/i.exec(via)?.[1]
  return { host: source.host, port: port === undefined ? 5060 : Number(port) }
}

/** A new tag, branch or Call-ID. */
export function token(): string {
  return randomBytes(9).toString('hex')
}
