import { randomUUID } from 'node:crypto'
import type { Flow } from './flow.ts'
import { listOf, valueOf, type SipMessage, type SipRequest, type SipResponse } from './message.ts'
import { parseNameAddr, tagOf } from './name-addr.ts'
import { parseSipUri } from './uri.ts'

/** Hops in a route set; each costs a header line in every request. */
const ROUTE_SET_MAX = 70

/** The first CSeq number of a side is random but leaves room to count (RFC 3261 section 8.1.1.5). */
export const newSequence = (): number => 1 + Math.floor(Math.random() * 100_000)

export const newTag = (): string => randomUUID().slice(0, 18)

/** What one dialog remembers (RFC 3261 section 12). One fork of a call is one dialog. */
export class Dialog {
  readonly role: 'uac' | 'uas'
  readonly callId: string
  readonly localTag: string
  readonly remoteTag: string
  /** From and To values, tags included, as we write them in requests of ours. */
  readonly local: string
  readonly remote: string
  readonly routeSet: readonly string[]
  remoteTarget: string
  state: 'early' | 'confirmed' | 'ended' = 'early'
  localSequence: number
  remoteSequence: number
  flow: Flow

  constructor(init: {
    readonly role: 'uac' | 'uas'
    readonly callId: string
    readonly local: string
    readonly remote: string
    readonly routeSet: readonly string[]
    readonly remoteTarget: string
    readonly localSequence: number
    readonly remoteSequence: number
    readonly flow: Flow
  }) {
    this.role = init.role
    this.callId = init.callId
    this.local = init.local
    this.remote = init.remote
    this.localTag = tagOf(init.local) ?? ''
    this.remoteTag = tagOf(init.remote) ?? ''
    this.routeSet = init.routeSet.slice(0, ROUTE_SET_MAX)
    this.remoteTarget = init.remoteTarget
    this.localSequence = init.localSequence
    this.remoteSequence = init.remoteSequence
    this.flow = init.flow
  }

  /** The dialog of a request that we answer; `to` is the To value with our tag (section 12.1.1). */
  static ofRequest(
    request: SipRequest,
    options: { readonly to: string; readonly sequence: number; readonly flow: Flow },
  ): Dialog {
    return new Dialog({
      role: 'uas',
      callId: valueOf(request, 'call-id') ?? '',
      local: options.to,
      remote: valueOf(request, 'from') ?? '',
      routeSet: listOf(request, 'record-route'),
      remoteTarget: contactUri(request) ?? parseNameAddr(valueOf(request, 'from') ?? '')?.uri ?? 'sip:invalid',
      localSequence: newSequence(),
      remoteSequence: options.sequence,
      flow: options.flow,
    })
  }

  /** The dialog that a response with a To tag opens for a request of ours (section 12.1.2). */
  static ofResponse(
    request: SipRequest,
    response: SipResponse,
    options: { readonly sequence: number; readonly flow: Flow },
  ): Dialog {
    return new Dialog({
      role: 'uac',
      callId: valueOf(request, 'call-id') ?? '',
      local: valueOf(request, 'from') ?? '',
      remote: valueOf(response, 'to') ?? '',
      routeSet: listOf(response, 'record-route').reverse(),
      remoteTarget: contactUri(response) ?? request.uri,
      localSequence: options.sequence,
      remoteSequence: -1,
      flow: options.flow,
    })
  }

  /** A Contact in INVITE, UPDATE or their 2xx moves the peer (section 12.2). */
  refreshTarget(message: SipMessage): void {
    this.remoteTarget = contactUri(message) ?? this.remoteTarget
  }

  /**
   * Request URI and Route of the next request (section 12.2.1.1). A first hop without `lr` is a strict router: it gets
   * the request URI, and the target goes last in the route.
   */
  route(): {
    readonly uri: string
    readonly route: readonly string[]
    /** The Route that names the next hop; none: the URI does. */ readonly hop: string | undefined
  } {
    const first = this.routeSet[0]
    if (first === undefined) return { uri: this.remoteTarget, route: [], hop: undefined }
    const firstUri = parseNameAddr(first)?.uri ?? first
    if (parseSipUri(firstUri)?.parameters.has('lr') !== false)
      return { uri: this.remoteTarget, route: this.routeSet, hop: first }
    return { uri: firstUri, route: [...this.routeSet.slice(1), `<${this.remoteTarget}>`], hop: undefined }
  }
}

/** The URI of the Contact, when there is one that can be called back. */
export function contactUri(message: SipMessage): string | undefined {
  const first = listOf(message, 'contact')[0]
  const uri = first === undefined ? undefined : parseNameAddr(first)?.uri
  return uri === undefined || parseSipUri(uri) === undefined ? undefined : uri
}
