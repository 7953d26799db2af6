import { Buffer } from 'node:buffer'
import type { DialogGroup } from './dialog-group.ts'
import { EMPTY_BODY, header, listOf, valueOf, type Header, type SipRequest, type SipResponse } from './message.ts'
import { insideDialog } from './outgoing-request.ts'
import { RequestPath } from './request-path.ts'
import {
  agreedTerms,
  answeredTerms,
  askingHeaders,
  demandedSeconds,
  MIN_SE_SECONDS,
  tooShort,
  type SessionTerms,
  type SessionTimerPolicy,
} from './session-timer-terms.ts'
import { SessionTimer } from './session-timer.ts'
import type { SipCore } from './sip-core.ts'

/** RFC 3261 section 14.1: who chose the Call-ID waits 2.1 to 4 s after a 491, the other up to 2 s. */
const GLARE_OWNER_MS = 2_100
const GLARE_SPREAD_MS = 1_900

/** After another refusal, and while the application has an INVITE or UPDATE of its own under way. */
const AGAIN_MS = 10_000

/** A Retry-After that is longer would let the session expire. */
const RETRY_AFTER_SECONDS_MAX = 30

export type SessionEvents = {
  /** The session has expired, or the peer knows it no more: BYE, and the application is told. */
  readonly expired: (group: DialogGroup) => void
}

/**
 * Keeps the sessions of all dialogs alive, and ends those whose peer is dead (RFC 4028). The refreshes are the server's:
 * the application sees only those of its peers.
 */
export class SessionKeeper {
  readonly #core: SipCore
  readonly #events: SessionEvents
  readonly #path: RequestPath

  constructor(core: SipCore, events: SessionEvents) {
    this.#core = core
    this.#events = events
    this.#path = new RequestPath(core)
  }

  /** The Min-SE of the 422 that this INVITE or UPDATE gets, or undefined. */
  refusal(request: SipRequest): Header | undefined {
    const policy = this.#core.sessionTimer
    return policy === undefined || !carriesTimer(request) ? undefined : tooShort(request, policy)
  }

  /** An INVITE or UPDATE of the application with what it asks of the session; others as they are. */
  asking(given: SipRequest, group: DialogGroup | undefined): SipRequest {
    const terms = group?.timer?.terms
    const policy = this.#policyFor(terms)
    if (policy === undefined || !carriesTimer(given)) return given
    return { ...given, headers: [...given.headers, ...askingHeaders(given, policy, terms)] }
  }

  /** The same with the longer interval that a 422 demands; undefined when the application asked for the shorter itself. */
  askingAgain(given: SipRequest, response: SipResponse): SipRequest | undefined {
    const { sessionTimer } = this.#core
    const demanded = demandedSeconds(response)
    if (sessionTimer === undefined || demanded === undefined || valueOf(given, 'session-expires') !== undefined)
      return undefined
    const policy = { seconds: Math.max(demanded, sessionTimer.seconds), minSeconds: demanded }
    return { ...given, headers: [...given.headers, ...askingHeaders(given, policy, undefined)] }
  }

  /** What is added to the application's 2xx to an INVITE or UPDATE; then() begins the timer. */
  answering(
    request: SipRequest,
    response: SipResponse,
    group: DialogGroup | undefined,
  ): { readonly headers: readonly Header[]; readonly begin: (group: DialogGroup | undefined) => void } {
    if (!carriesTimer(request) || response.status < 200 || response.status >= 300)
      return { headers: [], begin: () => undefined }
    const { headers, terms } = answeredTerms(request, response, this.#policyFor(group?.timer?.terms))
    return { headers, begin: (opened) => this.#begin(opened, terms) }
  }

  /** A 2xx came for an INVITE or UPDATE, of the application or of our own. */
  answered(group: DialogGroup, request: SipRequest, response: SipResponse): void {
    if (!carriesTimer(request) || response.status < 200 || response.status >= 300) return
    this.#begin(group, agreedTerms(response, this.#policyFor(group.timer?.terms)))
  }

  #policyFor(terms: SessionTerms | undefined): SessionTimerPolicy | undefined {
    const { sessionTimer } = this.#core
    return sessionTimer ?? (terms === undefined ? undefined : { seconds: terms.seconds, minSeconds: MIN_SE_SECONDS })
  }

  #begin(group: DialogGroup | undefined, terms: SessionTerms | undefined): void {
    if (group === undefined) return
    if (terms === undefined) {
      group.timer?.stop()
      return
    }
    group.timer ??= new SessionTimer(this.#core.clock, {
      refresh: () => this.#refresh(group),
      expired: () => this.#events.expired(group),
    })
    group.timer.start(terms)
  }

  /** An UPDATE without a description disturbs nothing; a peer that does not know it gets the INVITE that it knows. */
  #refresh(group: DialogGroup): void {
    const { timer } = group
    if (timer?.terms === undefined || !group.confirmed) return
    const local = group.descriptions.local
    const method = group.peerUpdates || local === undefined ? 'UPDATE' : 'INVITE'
    const busy = group.invitePending || group.descriptions.offer !== undefined || group.peerInvite?.pending === true
    if (busy || group.owedAcks.size > 0) return timer.retry(AGAIN_MS)
    const hop = this.#path.dialogHop(group.active, undefined)
    if (hop === undefined) return
    this.#path.reachInDialog(group.active, hop, (flow, reachable) => {
      if (flow === undefined || !reachable || timer.terms === undefined) return timer.retry(AGAIN_MS)
      const body = method === 'INVITE' ? Buffer.from(local ?? EMPTY_BODY) : EMPTY_BODY
      const headers: Header[] = [...(group.localContact === undefined ? [] : [header('Contact', group.localContact)])]
      if (body.length > 0) headers.push(header('Content-Type', 'application/sdp'))
      const bare: SipRequest = { kind: 'request', method, uri: 'sip:placeholder', headers, body }
      const { request, branch, sequence } = insideDialog(group.active, this.asking(bare, group), {
        flow,
        contentType: [],
      })
      if (method === 'INVITE') group.beginRefresh()
      const over = (): void => {
        if (method === 'INVITE') group.endRefresh()
      }
      this.#path.run({
        request,
        branch,
        flow,
        response: (response) => {
          if (response.status < 200) return
          if (method === 'INVITE' && response.status < 300) this.#acknowledge(group, sequence)
          this.#refreshed(group, request, response)
          over()
        },
        failed: () => {
          over()
          this.#events.expired(group)
        },
      })
    })
  }

  #acknowledge(group: DialogGroup, sequence: number): void {
    const sent = group.sentAcks.get(group.active.remoteTag)
    if (sent?.sequence === sequence) return sent.send()
    const ack: SipRequest = { kind: 'request', method: 'ACK', uri: 'sip:placeholder', headers: [], body: EMPTY_BODY }
    this.#path.acknowledge(group, group.active, sequence, ack)
  }

  #refreshed(group: DialogGroup, request: SipRequest, response: SipResponse): void {
    const { timer } = group
    const terms = timer?.terms
    if (timer === undefined || terms === undefined) return
    const { status } = response
    if (status < 300) {
      group.active.refreshTarget(response)
      return this.answered(group, request, response)
    }
    // RFC 4028 section 10, RFC 3261 section 12.2.1.2: the peer does not know this dialog any more.
    if (status === 408 || status === 481) return this.#events.expired(group)
    if (request.method === 'UPDATE' && (status === 405 || status === 501 || status === 415)) {
      group.peerUpdates = false
      return timer.retry(0)
    }
    const demanded = status === 422 ? demandedSeconds(response) : undefined
    if (demanded !== undefined && demanded > terms.seconds) {
      timer.start({ ...terms, seconds: demanded })
      return timer.retry(0)
    }
    // A peer that never agreed to a timer is alive when it answers at all.
    if (!terms.agreed) return timer.start(terms)
    timer.retry(retryDelayMs(group, response))
  }
}

function carriesTimer(request: SipRequest): boolean {
  return request.method === 'INVITE' || request.method === 'UPDATE'
}

function retryDelayMs(group: DialogGroup, response: SipResponse): number {
  if (response.status === 491)
    return (group.active.role === 'uac' ? GLARE_OWNER_MS : 0) + Math.random() * GLARE_SPREAD_MS
  const after = Number.parseInt(listOf(response, 'retry-after')[0] ?? '', 10)
  return Number.isInteger(after) ? Math.min(after, RETRY_AFTER_SECONDS_MAX) * 1_000 : AGAIN_MS
}
