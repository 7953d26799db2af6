import type { SipRequest, SipResponse } from './message.ts'
import { hasToken } from './message.ts'

/** Requests that may carry an offer or an answer (RFC 3264, RFC 3262 section 5, RFC 3311 section 5). */
const CARRIERS = new Set(['INVITE', 'UPDATE', 'PRACK', 'ACK'])

/**
 * The session descriptions of one dialog: whose offer waits for its answer, and what we said last. A description in any
 * 18x counts as the answer: many send it unreliably and go on with UPDATE, which RFC 3261 section 13.2.1 does not foresee.
 */
export class SessionDescriptions {
  #offer: 'ours' | 'theirs' | undefined
  #local: Buffer | undefined
  /** What was good before our offer, should that be refused. */
  #before: Buffer | undefined

  /** The offer that has no answer yet. */
  get offer(): 'ours' | 'theirs' | undefined {
    return this.#offer
  }

  /** Our description that holds, for a request that changes nothing. */
  get local(): Buffer | undefined {
    return this.#local
  }

  requestSent(request: SipRequest): void {
    if (!CARRIERS.has(request.method) || request.body.length === 0) return
    const answers = request.method === 'ACK' || (request.method === 'PRACK' && this.#offer === 'theirs')
    this.#offer = answers ? undefined : 'ours'
    if (!answers) this.#before = this.#local
    this.#local = request.body
  }

  requestArrived(request: SipRequest): void {
    if (!CARRIERS.has(request.method)) return
    if (request.method === 'ACK') this.#offer = undefined
    else if (request.body.length > 0)
      this.#offer = request.method === 'PRACK' && this.#offer === 'ours' ? undefined : 'theirs'
  }

  responseArrived(request: SipRequest, response: SipResponse): void {
    if (!CARRIERS.has(request.method) || response.status <= 100) return
    if (response.status >= 300 && request.body.length > 0 && this.#offer === 'ours') this.#local = this.#before
    if (response.status >= 200 || response.body.length > 0) this.#offer = undefined
    if (request.body.length === 0 && mayOffer(request, response)) this.#offer = 'theirs'
  }

  responseSent(request: SipRequest, response: SipResponse): void {
    if (!CARRIERS.has(request.method) || response.status <= 100) return
    if (response.status < 300 && response.body.length > 0) this.#local = response.body
    if (response.status >= 200 || response.body.length > 0) this.#offer = undefined
    if (request.body.length === 0 && mayOffer(request, response)) this.#offer = 'ours'
  }
}

/** The answer to an INVITE without an offer brings one: in a 2xx, or earlier when that is acknowledged (RFC 3262 section 5). */
function mayOffer(request: SipRequest, response: SipResponse): boolean {
  if (request.method !== 'INVITE' || response.body.length === 0 || response.status >= 300) return false
  return response.status >= 200 || hasToken(response, 'require', '100rel')
}
