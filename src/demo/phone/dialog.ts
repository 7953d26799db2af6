import { newVia, ownHeaders, type PhoneIdentity } from './phone-identity.ts'
import { sequenceOf, token } from './sip-fields.ts'
import {
  headerOf,
  headersOf,
  hostPortOf,
  tagOf,
  uriOf,
  type Peer,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './sip-text.ts'

/** What goes into a request. `sequence` is given for an ACK only: all others count on. */
export type RequestContent = {
  readonly body: string
  readonly contentType: string
  readonly extra?: readonly SipHeader[]
  readonly sequence?: number
}

/** One dialog (RFC 3261 section 12), from the first INVITE on. */
export class Dialog {
  readonly callId: string
  readonly localTag = token()
  /** Overrides where requests go: the outbound proxy of the first INVITE, or the source of the INVITE. */
  readonly peer: Peer
  readonly #identity: PhoneIdentity
  readonly #localUri: string
  readonly #remoteUri: string
  #remoteTag: string | undefined
  #target: string
  #routes: readonly string[]
  #localSequence = 0
  remoteSequence: number
  established = false
  /** Our last ACK for a 2xx, given again when that 2xx is heard again. */
  acknowledged: { readonly sequence: number; readonly send: () => void } | undefined

  private constructor(start: {
    readonly identity: PhoneIdentity
    readonly callId: string
    readonly peer: Peer
    readonly localUri: string
    readonly remoteUri: string
    readonly remoteTag: string | undefined
    readonly target: string
    readonly routes: readonly string[]
    readonly remoteSequence: number
  }) {
    this.callId = start.callId
    this.peer = start.peer
    this.#identity = start.identity
    this.#localUri = start.localUri
    this.#remoteUri = start.remoteUri
    this.#remoteTag = start.remoteTag
    this.#target = start.target
    this.#routes = start.routes
    this.remoteSequence = start.remoteSequence
  }

  /** The dialog of a call that we make. */
  static calling(
    identity: PhoneIdentity,
    call: { readonly callId: string; readonly peer: Peer; readonly to: string; readonly from: string | undefined },
  ): Dialog {
    return new Dialog({
      identity,
      callId: call.callId,
      peer: call.peer,
      localUri: call.from ?? `sip:${identity.user}@${identity.local.host}`,
      remoteUri: call.to,
      remoteTag: undefined,
      target: call.to,
      routes: [],
      remoteSequence: 0,
    })
  }

  /** The dialog of an INVITE that came to us. */
  static called(identity: PhoneIdentity, invite: SipRequest, source: Peer): Dialog {
    const from = headerOf(invite, 'from') ?? ''
    return new Dialog({
      identity,
      callId: headerOf(invite, 'call-id') ?? '',
      peer: source,
      localUri: uriOf(headerOf(invite, 'to') ?? ''),
      remoteUri: uriOf(from),
      remoteTag: tagOf(from),
      target: uriOf(headerOf(invite, 'contact') ?? from),
      routes: headersOf(invite, 'record-route'),
      remoteSequence: sequenceOf(invite)?.number ?? 0,
    })
  }

  /** Whether a request of the peer belongs here: Call-ID and both tags (RFC 3261 section 12.2.2). */
  holds(request: SipRequest): boolean {
    if (headerOf(request, 'call-id') !== this.callId) return false
    if (tagOf(headerOf(request, 'to') ?? '') !== this.localTag) return false
    return this.#remoteTag === undefined || tagOf(headerOf(request, 'from') ?? '') === this.#remoteTag
  }

  /** Our INVITE was answered with this 2xx. */
  establish(response: SipResponse): void {
    this.#remoteTag = tagOf(headerOf(response, 'to') ?? '')
    this.#routes = [...headersOf(response, 'record-route')].reverse()
    this.established = true
  }

  /** The peer's newest Contact is where requests go from now on (section 12.2). */
  retarget(message: SipMessage): void {
    const contact = headerOf(message, 'contact')
    if (contact !== undefined) this.#target = uriOf(contact)
  }

  /** Loose routing only (RFC 3261 section 12.2.1.1). */
  get nextHop(): Peer {
    const first = this.#routes[0]
    return hostPortOf(first === undefined ? this.#target : uriOf(first)) ?? this.peer
  }

  /** The ACK of a 2xx, which is a transaction of its own (section 13.2.2.4). */
  ackOf(response: SipResponse): { readonly request: SipRequest; readonly sequence: number } {
    const sequence = sequenceOf(response)?.number ?? this.#localSequence
    return { request: this.request('ACK', { body: '', contentType: '', sequence }), sequence }
  }

  /** The next request of this dialog. */
  request(method: string, content: RequestContent): SipRequest {
    if (content.sequence === undefined) this.#localSequence += 1
    const remoteTag = this.#remoteTag === undefined ? '' : `;tag=${this.#remoteTag}`
    const { displayName } = this.#identity
    const name = displayName === '' ? '' : `"${displayName}" `
    return {
      kind: 'request',
      method,
      uri: this.#target,
      headers: [
        newVia(this.#identity),
        ...this.#routes.map((route): SipHeader => ['route', route]),
        ['max-forwards', '70'],
        ['from', `${name}<${this.#localUri}>;tag=${this.localTag}`],
        ['to', `<${this.#remoteUri}>${remoteTag}`],
        ['call-id', this.callId],
        ['cseq', `${content.sequence ?? this.#localSequence} ${method}`],
        ...ownHeaders(this.#identity),
        ...(content.extra ?? []),
        ...(content.body === '' ? [] : [['content-type', content.contentType] as const]),
      ],
      body: content.body,
    }
  }
}
