import { EventEmitter, once } from 'node:events'
import type {
  InviteResult,
  OutgoingInvite,
  SipDialog,
  SipDialogEvent,
  SipHeaders,
  SipMessage,
  SipReply,
  SipRequest,
  SipResponse,
  SipServer,
} from '../../src/sbc/sip-server.ts'
import { reasonOf } from '../../src/sbc/sip-reason.ts'

/** The sbc's door to SIP without SIP: messages, dialogs and a server that a test plays by hand. */

export class FakeMessage implements SipMessage {
  readonly body: string
  readonly source_address: string
  readonly source_port = '5060'
  readonly protocol = 'udp'
  readonly headers: SipHeaders
  readonly #headers: ReadonlyMap<string, string>

  constructor(options: { readonly body?: string; readonly headers?: SipHeaders; readonly source?: string } = {}) {
    this.headers = options.headers ?? {}
    this.body = options.body ?? ''
    this.source_address = options.source ?? '127.0.0.1'
    this.#headers = new Map(Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  }

  get(name: string): string | undefined {
    return this.#headers.get(name.toLowerCase())
  }

  has(name: string): boolean {
    return this.#headers.has(name.toLowerCase())
  }
}

export class FakeRequest extends FakeMessage implements SipRequest {
  readonly method: string
  readonly uri: string
  readonly #events = new EventEmitter()

  constructor(options: {
    readonly method?: string
    readonly uri?: string
    readonly body?: string
    readonly headers?: SipHeaders
    readonly source?: string
  }) {
    super(options)
    this.method = options.method ?? 'INVITE'
    this.uri = options.uri ?? 'sip:4711@127.0.0.1'
  }

  on(_event: 'cancel', listener: () => void): void {
    this.#events.on('cancel', listener)
  }

  cancel(): void {
    this.#events.emit('cancel')
  }
}

export type SentResponse = {
  readonly status: number
  readonly reason: string
  readonly headers: SipHeaders
  readonly body: string
}

/** Refuses, as drachtio-srf does, to send a status that has no registered phrase. */
export class FakeResponse extends FakeMessage implements SipResponse {
  readonly sent: SentResponse[] = []
  status = 0
  finalResponseSent = false
  readonly #events = new EventEmitter()

  send(status: number, reasonOrOptions?: string | SipReply, options?: SipReply): void {
    if (reasonOf(status) === 'Unknown') throw new Error('status is required and must be a valid sip response code')
    if (this.finalResponseSent) return
    const reply = typeof reasonOrOptions === 'object' ? reasonOrOptions : (options ?? {})
    this.status = status
    this.finalResponseSent = status >= 200
    this.sent.push({
      status,
      reason: typeof reasonOrOptions === 'string' ? reasonOrOptions : reasonOf(status),
      headers: reply.headers ?? {},
      body: reply.body ?? '',
    })
    this.#events.emit('sent')
    if (this.finalResponseSent) this.#events.emit('final')
  }

  /** The final response, as soon as there is one. */
  async final(): Promise<SentResponse> {
    if (!this.finalResponseSent) await once(this.#events, 'final', { signal: AbortSignal.timeout(5_000) })
    const last = this.sent.at(-1)
    if (last === undefined) throw new Error('nothing was sent')
    return last
  }

  /** Waits until so many responses were sent. */
  async count(count: number): Promise<void> {
    while (this.sent.length < count) await once(this.#events, 'sent', { signal: AbortSignal.timeout(5_000) })
  }
}

export class FakeDialog implements SipDialog {
  readonly sip: { readonly callId: string; readonly localTag: string; readonly remoteTag: string }
  connected = true
  readonly local: { sdp: string }
  /** What each re-INVITE of ours said. */
  readonly offered: string[] = []
  readonly requests: { readonly method: string; readonly headers?: SipHeaders; readonly body?: string }[] = []
  readonly byes: SipHeaders[] = []
  /** Answers our re-INVITE: a description, or a status to reject it with. */
  answers: (sdp: string) => string | number | Promise<string | number> = (sdp) => sdp
  infoStatus = 200
  readonly #events = new EventEmitter()

  constructor(options: { readonly callId: string; readonly sdp: string }) {
    this.sip = { callId: options.callId, localTag: 'tag-of-the-sbc', remoteTag: 'tag-of-the-peer' }
    this.local = { sdp: options.sdp }
  }

  destroy(options: { readonly headers?: SipHeaders } = {}): Promise<unknown> {
    this.connected = false
    this.byes.push(options.headers ?? {})
    return Promise.resolve()
  }

  async modify(sdp: string): Promise<string> {
    this.local.sdp = sdp
    this.offered.push(sdp)
    const answer = await this.answers(sdp)
    if (typeof answer === 'number') throw Object.assign(new Error('rejected'), { status: answer })
    return answer
  }

  request(options: {
    readonly method: string
    readonly headers?: SipHeaders
    readonly body?: string
  }): Promise<SipMessage & { readonly status: number }> {
    this.requests.push(options)
    return Promise.resolve(Object.assign(new FakeMessage(), { status: this.infoStatus }))
  }

  on(
    event: SipDialogEvent | 'destroy' | 'ack',
    listener: ((request: SipRequest, response: SipResponse) => void) | ((request: SipRequest) => void),
  ): void {
    this.#events.on(event, listener as (...values: unknown[]) => void)
  }

  once(event: 'ack', listener: (request: SipMessage) => void): void {
    this.#events.once(event, listener)
  }

  /** The peer acknowledges a 200 of ours. */
  ack(body = ''): void {
    this.#events.emit('ack', new FakeMessage({ body }))
  }

  /** The peer sends a request in the dialog; the response that it gets. */
  receive(
    event: SipDialogEvent,
    options: { readonly body?: string; readonly headers?: SipHeaders } = {},
  ): FakeResponse {
    const response = new FakeResponse()
    this.#events.emit(event, new FakeRequest({ method: event, ...options }), response)
    return response
  }

  /** The peer hangs up, or the SIP server does for it. */
  bye(headers: SipHeaders = {}): void {
    this.connected = false
    this.#events.emit('destroy', new FakeRequest({ method: 'BYE', headers }))
  }
}

type SentInvite = {
  readonly uri: string
  readonly sdp: string
  readonly headers: SipHeaders
  readonly callingNumber: string
  /** Where it goes instead of to its URI. */
  readonly proxy: string | null
  provisional(status: number, body?: string, headers?: SipHeaders): void
  answer(dialog: FakeDialog, options?: { readonly body?: string; readonly headers?: SipHeaders }): void
  reject(status: number, headers?: SipHeaders): void
  readonly cancelled: boolean
}

/** Plays the SIP server: what the sbc sends is kept, what comes back a test says. */
export class FakeSip implements Pick<SipServer, 'invite' | 'answer'> {
  readonly invites: SentInvite[] = []
  /** The dialog that the next 200 to a caller makes; null: it was cancelled meanwhile. */
  callerDialog: FakeDialog | null = null
  readonly #events = new EventEmitter()

  async invite(
    uri: string,
    options: {
      readonly sdp: string
      readonly headers: SipHeaders
      readonly callingNumber: string
      readonly proxy?: string
    },
    progress: {
      readonly sent: (invite: OutgoingInvite) => void
      readonly provisional: (response: SipMessage & { readonly status: number }) => void
    },
  ): Promise<InviteResult> {
    const state = { cancelled: false }
    const ended = new Promise<InviteResult>((resolve) => {
      this.invites.push({
        uri,
        proxy: options.proxy ?? null,
        sdp: options.sdp,
        headers: options.headers,
        callingNumber: options.callingNumber,
        provisional: (status, body = '', headers = {}) =>
          progress.provisional(Object.assign(new FakeMessage({ body, headers }), { status })),
        answer: (dialog, answer = {}) => resolve({ kind: 'answered', dialog, response: new FakeMessage(answer) }),
        reject: (status, headers = {}) => resolve({ kind: 'rejected', status, response: new FakeMessage({ headers }) }),
        get cancelled() {
          return state.cancelled
        },
      })
      progress.sent({
        cancel: () => {
          state.cancelled = true
          resolve({ kind: 'rejected', status: 487, response: null })
        },
      })
    })
    this.#events.emit('invite')
    return ended
  }

  answer(
    _request: SipRequest,
    response: SipResponse,
    options: { readonly sdp: string; readonly headers: SipHeaders },
  ): Promise<SipDialog | null> {
    if (this.callerDialog !== null) {
      this.callerDialog.local.sdp = options.sdp
      response.send(200, { body: options.sdp, headers: options.headers })
    }
    return Promise.resolve(this.callerDialog)
  }

  /** The INVITE that the sbc sent, as soon as it did. */
  async sentInvite(): Promise<SentInvite> {
    if (this.invites.length === 0) await once(this.#events, 'invite', { signal: AbortSignal.timeout(5_000) })
    const invite = this.invites.at(-1)
    if (invite === undefined) throw new Error('no INVITE was sent')
    return invite
  }
}
