import { token } from './sip-fields.ts'
import type { Peer, SipHeader } from './sip-text.ts'

const ALLOW = 'INVITE, ACK, CANCEL, BYE, INFO, OPTIONS, UPDATE'

/** What a phone says of itself in all its messages. */
export type PhoneIdentity = {
  readonly local: Peer
  readonly user: string
  readonly displayName: string
  readonly userAgent: string
}

/** A Via with a new branch; rport asks for the answer at the port that we send from (RFC 3581). */
export function newVia({ local }: PhoneIdentity): SipHeader {
  return ['via', `SIP/2.0/UDP ${local.host}:${local.port};branch=z9hG4bK${token()};rport`]
}

/** Headers of requests and answers alike. */
export function ownHeaders({ local, user, userAgent }: PhoneIdentity): readonly SipHeader[] {
  return [
    ['contact', `<sip:${user}@${local.host}:${local.port}>`],
    ['allow', ALLOW],
    ['user-agent', userAgent],
  ]
}
