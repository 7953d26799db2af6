import { createHash, randomBytes } from 'node:crypto'
import type { Address } from '../../src/sipd/flow.ts'
import { valueOf, type SipMessage, type SipRequest, type SipResponse } from '../../src/sipd/message.ts'
import { RawPeer, type PeerIdentity } from '../sipd/raw-peer.ts'
import { eventually } from './eventually.ts'
import { MediaParty } from './media-party.ts'
import type { SrtpSuite } from './srtp.ts'

/** A machine that does much else takes its time. */
const ARRIVES_MS = 10_000

export type TrunkPeerOptions = {
  readonly host: string
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly identity?: PeerIdentity
  /** What every second of its audio is. */
  readonly mark: number
  /** It speaks SRTP and nothing else, with these suites. */
  readonly suites?: readonly SrtpSuite[]
  /** Where it wants requests of a dialog, and by which way; its address, and none, when left out. */
  readonly contact?: (port: number) => string
  readonly recordRoute?: (port: number) => string
  /** Its own rules: the status that a request is refused with, or null. */
  readonly refuses?: (request: SipRequest) => number | null
  /** Its REGISTERs and INVITEs must be proved by digest (RFC 2617 MD5, as most still ask for). */
  readonly challenge?: {
    readonly status: 401 | 407
    readonly realm: string
    readonly user: string
    readonly password: string
  }
  /** Headers of its 200 to an INVITE. */
  readonly answerHeaders?: Readonly<Record<string, string>>
}

/** One call as the peer has it; `talks` sends and hears its audio. */
export type PeerCall = {
  /** The INVITE, or the 200 to ours. */
  readonly heard: SipMessage
  readonly callId: string
  readonly media: MediaParty
  /** The other side's description. */
  readonly told: string
  readonly talks: () => void
  readonly isOver: () => boolean
  /** A request in the dialog; the final response. */
  readonly asks: (method: string, headers?: Readonly<Record<string, string>>) => Promise<SipResponse>
}

/** The other end of a trunk, with its rules: a SIP service that checks what it is sent as such a service does. */
export class TrunkPeer {
  readonly raw: RawPeer
  /** OPTIONS and REGISTERs that were welcome. */
  readonly welcomed: SipRequest[] = []
  /** Requests that were not, with the status that they got. */
  readonly refused: { readonly request: SipRequest; readonly status: number }[] = []
  /** What it says to further INVITEs instead of taking them. */
  refusesCalls: number | null = null
  readonly #options: TrunkPeerOptions
  readonly #invites: { readonly request: SipRequest; readonly from: Address }[] = []
  readonly #over = new Set<string>()
  readonly #media: MediaParty[] = []
  readonly #nonce = randomBytes(8).toString('hex')

  private constructor(raw: RawPeer, options: TrunkPeerOptions) {
    this.raw = raw
    this.#options = options
    raw.takes = (message, from) => message.kind === 'request' && this.#take(message, from)
  }

  static async open(options: TrunkPeerOptions): Promise<TrunkPeer> {
    const { host, transport, identity } = options
    if (transport === 'udp') return new TrunkPeer(await RawPeer.udp(host), options)
    if (transport === 'tcp') return new TrunkPeer(await RawPeer.tcp(host), options)
    if (identity === undefined) throw new Error('TLS needs a certificate')
    return new TrunkPeer(await RawPeer.tls(identity, host), options)
  }

  get address(): Address {
    return this.raw.address
  }

  get invites(): number {
    return this.#invites.length
  }

  /** Waits to be called, rings and answers. */
  async isCalled(): Promise<PeerCall> {
    await eventually(() => this.#invites.length > 0, ARRIVES_MS)
    const [first] = this.#invites.splice(0, 1)
    if (first === undefined) throw new Error('no INVITE')
    const { request, from } = first
    const media = await this.#open()
    const tag = randomBytes(6).toString('hex')
    const headers = { contact: this.#contact, ...this.#recordRoute(), ...this.#options.answerHeaders }
    this.raw.respond(request, from, { status: 100 })
    this.raw.respond(request, from, { status: 180, tag, headers })
    const told = request.body.toString('latin1')
    this.raw.respond(request, from, { status: 200, tag, headers, body: media.answer(told) })
    await this.raw.nextRequest('ACK')
    return this.#call({
      heard: request,
      media,
      told,
      to: from,
      dialog: {
        from: `${valueOf(request, 'to') ?? ''};tag=${tag}`,
        to: valueOf(request, 'from') ?? '',
        target: uriOf(valueOf(request, 'contact') ?? ''),
        sequence: 1,
      },
    })
  }

  /** Calls through the service at `to`; rejects unless it is answered with 200. */
  async calls(
    to: Address,
    options: { readonly uri: string; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<PeerCall> {
    const media = await this.#open()
    const own = this.#options.host
    const invite = this.raw.request(to, {
      method: 'INVITE',
      uri: options.uri,
      body: media.sdp(),
      headers: {
        from: `<sip:caller@${own}>;tag=${randomBytes(6).toString('hex')}`,
        to: `<${options.uri}>`,
        contact: this.#contact,
        ...this.#recordRoute(),
        ...options.headers,
      },
    })
    const response = await this.raw.nextResponse('INVITE', 200, 699)
    if (response.status !== 200) throw new Error(`refused with ${response.status}`)
    const target = uriOf(valueOf(response, 'contact') ?? '')
    this.raw.request(to, {
      method: 'ACK',
      uri: target,
      headers: { ...headersOf(invite), to: valueOf(response, 'to') ?? '', cseq: '1 ACK' },
    })
    return this.#call({
      heard: response,
      media,
      told: response.body.toString('latin1'),
      to,
      dialog: { from: valueOf(invite, 'from') ?? '', to: valueOf(response, 'to') ?? '', target, sequence: 1 },
    })
  }

  async close(): Promise<void> {
    for (const media of this.#media) media.close()
    await this.raw.close()
  }

  async #open(): Promise<MediaParty> {
    const { mark, suites } = this.#options
    const media = await MediaParty.open({ mark, ...(suites === undefined ? {} : { suites }) })
    this.#media.push(media)
    return media
  }

  #call(parts: {
    readonly heard: SipMessage
    readonly media: MediaParty
    readonly told: string
    readonly to: Address
    readonly dialog: { readonly from: string; readonly to: string; readonly target: string; sequence: number }
  }): PeerCall {
    const { heard, media, told, to, dialog } = parts
    const callId = valueOf(heard, 'call-id') ?? ''
    return {
      heard,
      callId,
      media,
      told,
      talks: () => media.talk(told),
      isOver: () => this.#over.has(callId),
      asks: (method, headers = {}) => {
        dialog.sequence += 1
        this.raw.request(to, {
          method,
          uri: dialog.target,
          headers: {
            from: dialog.from,
            to: dialog.to,
            'call-id': callId,
            cseq: `${dialog.sequence} ${method}`,
            contact: this.#contact,
            ...headers,
          },
        })
        return this.raw.nextResponse(method, 200, 699)
      },
    }
  }

  /** True: answered here, or kept for isCalled. */
  #take(request: SipRequest, from: Address): boolean {
    const { method } = request
    if (method === 'ACK' || method === 'CANCEL') return false
    const isInDialog = (valueOf(request, 'to') ?? '').includes(';tag=')
    const status = isInDialog ? null : this.#refusal(request)
    if (status !== null) {
      this.refused.push({ request, status })
      this.raw.respond(request, from, { status, tag: 'refused', headers: this.#challenge(status) })
      return true
    }
    if (method === 'INVITE' && !isInDialog) {
      this.#invites.push({ request, from })
      return true
    }
    if (method === 'BYE') this.#over.add(valueOf(request, 'call-id') ?? '')
    if (!isInDialog) this.welcomed.push(request)
    const headers: Record<string, string> =
      method === 'REGISTER' ? { contact: valueOf(request, 'contact') ?? '', Expires: '600' } : {}
    this.raw.respond(request, from, { status: 200, tag: 'peer', headers })
    return true
  }

  #refusal(request: SipRequest): number | null {
    const { refuses, challenge } = this.#options
    const isCall = request.method === 'INVITE'
    if (isCall && this.refusesCalls !== null) return this.refusesCalls
    const mustProve = isCall || request.method === 'REGISTER'
    if (challenge !== undefined && mustProve && !this.#isProved(request)) return challenge.status
    return refuses?.(request) ?? null
  }

  #challenge(status: number): Readonly<Record<string, string>> {
    const { challenge } = this.#options
    if (challenge?.status !== status) return {}
    const name = status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate'
    return { [name]: `Digest realm="${challenge.realm}", nonce="${this.#nonce}", algorithm=MD5, qop="auth"` }
  }

  /** RFC 2617 section 3.2.2.1, written out. */
  #isProved(request: SipRequest): boolean {
    const { challenge } = this.#options
    if (challenge === undefined) return false
    const given = valueOf(request, challenge.status === 407 ? 'proxy-authorization' : 'authorization') ?? ''
    const part = (name: string): string => new RegExp(`\\b${name}="?([^",]+)`).exec(given)?.[1] ?? ''
    const first = md5([challenge.user, challenge.realm, challenge.password])
    const second = md5([request.method, part('uri')])
    const expected = md5([first, this.#nonce, part('nc'), part('cnonce'), 'auth', second])
    return part('username') === challenge.user && part('response') === expected
  }

  get #contact(): string {
    return this.#options.contact?.(this.address.port) ?? `<${this.raw.uri}>`
  }

  #recordRoute(): Readonly<Record<string, string>> {
    const route = this.#options.recordRoute?.(this.address.port)
    return route === undefined ? {} : { 'Record-Route': route }
  }
}

function headersOf(request: SipRequest): Readonly<Record<string, string>> {
  return Object.fromEntries(['from', 'call-id', 'contact'].map((key) => [key, valueOf(request, key) ?? '']))
}

function uriOf(value: string): string {
  return /<([^>]+)>/.exec(value)?.[1] ?? value
}

function md5(parts: readonly string[]): string {
  return createHash('md5').update(parts.join(':')).digest('hex')
}
