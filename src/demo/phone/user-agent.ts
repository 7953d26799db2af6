import { randomBytes } from 'node:crypto'
import { AnswerBook } from './answer-book.ts'
import { ClientTransaction } from './client-transaction.ts'
import type { AnswerPolicy, CallOptions, CallOutcome, PhoneEventName, RequestOutcome } from './phone-protocol.ts'
import {
  formatSip,
  headerOf,
  headersOf,
  hostPortOf,
  tagOf,
  uriOf,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './sip-text.ts'

export type Peer = { readonly host: string; readonly port: number }

/** The media side of the phone: it makes and reads SDP, the user agent carries it (RFC 3264). */
export type MediaSide = {
  offer(): string
  /** Our answer to an offer, or undefined when nothing fits. */
  answerTo(offer: string): string | undefined
  acceptAnswer(answer: string): boolean
  /** Our last offer was refused: what was agreed before it holds. */
  offerRefused(): void
  stop(): void
}

export type UserAgentOptions = {
  readonly local: Peer
  readonly user: string
  readonly displayName: string
  readonly userAgent: string
  readonly policy: AnswerPolicy
  readonly media: MediaSide
  readonly send: (datagram: Buffer, to: Peer) => void
  readonly onEvent: (name: PhoneEventName, callId: string) => void
  readonly onInfo: (contentType: string, body: string) => void
}

/** A phone gives up ringing after two minutes unless told otherwise: longer than any test or demonstration. */
const RING_MS = 120_000

const ALLOW = 'INVITE, ACK, CANCEL, BYE, INFO, OPTIONS, UPDATE'
const SDP_TYPE = 'application/sdp'

/** One dialog (RFC 3261 section 12); a phone has at most one call. */
type Dialog = {
  readonly callId: string
  readonly localTag: string
  readonly localUri: string
  readonly remoteUri: string
  remoteTag: string | undefined
  target: string
  routes: readonly string[]
  /** Overrides where requests go: the outbound proxy of the first INVITE, or the source of the INVITE. */
  readonly peer: Peer
  localSequence: number
  remoteSequence: number
  established: boolean
  /** Our last ACK for a 2xx, given again when that 2xx is heard again. */
  acknowledged: { readonly sequence: number; readonly send: () => void } | undefined
}

type Ringing = { readonly request: SipRequest; readonly source: Peer; timer: NodeJS.Timeout | undefined }

/** A small SIP user agent over UDP (RFC 3261) that plays a carrier's or an agent's telephone. */
export class UserAgent {
  readonly #options: UserAgentOptions
  readonly #clients = new Map<string, ClientTransaction>()
  readonly #answers = new AnswerBook()
  policy: AnswerPolicy
  #dialog: Dialog | undefined
  #ringing: Ringing | undefined
  #inviting: { readonly transaction: ClientTransaction; cancelled: boolean } | undefined
  #offering = false
  /** The ACK of our last refused INVITE, given again when that refusal is heard again. */
  #lastRefusal: { readonly branch: string; readonly acknowledge: () => void } | undefined

  constructor(options: UserAgentOptions) {
    this.#options = options
    this.policy = options.policy
  }

  /** Calls, and waits for the final answer. */
  call(options: CallOptions): Promise<CallOutcome> {
    if (this.#dialog !== undefined) return Promise.resolve({ kind: 'busy' })
    const peer = hostPortOf(options.proxy ?? options.to)
    const callId = `${token()}@${this.#options.local.host}`
    if (peer === undefined) return Promise.resolve({ kind: 'unanswered', callId })
    const dialog: Dialog = {
      callId,
      localTag: token(),
      localUri: options.from ?? `sip:${this.#options.user}@${this.#options.local.host}`,
      remoteUri: options.to,
      remoteTag: undefined,
      target: options.to,
      routes: [],
      peer,
      localSequence: 0,
      remoteSequence: 0,
      established: false,
      acknowledged: undefined,
    }
    this.#dialog = dialog
    return new Promise((resolve) => {
      const offer = this.#options.media.offer()
      const extra = (options.headers ?? []).map(([name, value]): SipHeader => [name.toLowerCase(), value])
      const request = this.#build(dialog, 'INVITE', { body: offer, contentType: SDP_TYPE, extra })
      const transaction = this.#start(request, peer, {
        provisionalMs: options.ringMs ?? RING_MS,
        onProvisional: (response) => this.#heardProvisional(dialog, response),
        onFinal: (response) => {
          const cancelled = this.#inviting?.cancelled === true
          this.#inviting = undefined
          if (response !== undefined && response.status < 300) {
            this.#establish(dialog, response)
            if (cancelled) void this.hangup()
            resolve(cancelled ? { kind: 'unanswered', callId } : { kind: 'answered', callId })
            return
          }
          if (response === undefined) this.#sendCancel(request, peer)
          else this.#acknowledgeRefusal(request, response, peer)
          this.#end(dialog, 'refused')
          resolve(
            response === undefined
              ? { kind: 'unanswered', callId }
              : { kind: 'refused', callId, status: response.status, reason: response.reason },
          )
        },
      })
      this.#inviting = { transaction, cancelled: false }
    })
  }

  /** Gives up an unanswered call; the CANCEL waits for a first provisional response (RFC 3261 section 9.1). */
  cancel(): RequestOutcome {
    const inviting = this.#inviting
    if (inviting === undefined) return { kind: 'no_call' }
    inviting.cancelled = true
    if (inviting.transaction.heard && this.#dialog !== undefined) {
      this.#sendCancel(inviting.transaction.request, this.#dialog.peer)
    }
    return { kind: 'done', status: 0 }
  }

  /** Sends BYE and waits for its answer; the call is over here whatever the answer is. */
  async hangup(): Promise<RequestOutcome> {
    const dialog = this.#dialog
    if (dialog?.established !== true) return { kind: 'no_call' }
    const outcome = this.request('BYE', { body: '', contentType: '' })
    this.#end(dialog, 'ended')
    return await outcome
  }

  /** Sends a request inside the call and waits for its final answer. */
  request(
    method: 'BYE' | 'INFO' | 'OPTIONS',
    content: { readonly body: string; readonly contentType: string },
  ): Promise<RequestOutcome> {
    const dialog = this.#dialog
    if (dialog?.established !== true) return Promise.resolve({ kind: 'no_call' })
    const request = this.#build(dialog, method, { ...content, extra: [] })
    return this.#ask(request, this.#nextHop(dialog))
  }

  /** Asks a server outside any call (OPTIONS ping). */
  askOptions(to: string): Promise<RequestOutcome> {
    const peer = hostPortOf(to)
    if (peer === undefined) return Promise.resolve({ kind: 'unanswered' })
    const local = this.#options.local
    const request: SipRequest = {
      kind: 'request',
      method: 'OPTIONS',
      uri: to,
      headers: [
        this.#via(),
        ['max-forwards', '70'],
        ['from', `<sip:${this.#options.user}@${local.host}>;tag=${token()}`],
        ['to', `<${to}>`],
        ['call-id', `${token()}@${local.host}`],
        ['cseq', '1 OPTIONS'],
        ['accept', SDP_TYPE],
      ],
      body: '',
    }
    return this.#ask(request, peer)
  }

  /** Sends a re-INVITE with the media side's present offer (hold, other codecs, another address). */
  reinvite(): Promise<RequestOutcome> {
    const dialog = this.#dialog
    if (dialog?.established !== true) return Promise.resolve({ kind: 'no_call' })
    if (this.#offering) return Promise.resolve({ kind: 'refused', status: 491, reason: 'Request Pending' })
    this.#offering = true
    const request = this.#build(dialog, 'INVITE', {
      body: this.#options.media.offer(),
      contentType: SDP_TYPE,
      extra: [],
    })
    const peer = this.#nextHop(dialog)
    return new Promise((resolve) => {
      this.#start(request, peer, {
        onProvisional: () => undefined,
        onFinal: (response) => {
          this.#offering = false
          if (response !== undefined && response.status < 300) {
            this.#acknowledge(dialog, response)
            const fits = this.#options.media.acceptAnswer(response.body)
            resolve(fits ? { kind: 'done', status: response.status } : { kind: 'unanswered' })
            return
          }
          this.#options.media.offerRefused()
          if (response === undefined) resolve({ kind: 'unanswered' })
          else {
            this.#acknowledgeRefusal(request, response, peer)
            resolve({ kind: 'refused', status: response.status, reason: response.reason })
          }
        },
      })
    })
  }

  /** Takes one parsed datagram. */
  receive(message: SipMessage, source: Peer): void {
    if (message.kind === 'response') this.#receiveResponse(message)
    else this.#receiveRequest(message, source)
  }

  /** Forgets everything without a word on the wire. Safe to call twice. */
  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
    this.#answers.close()
    clearTimeout(this.#ringing?.timer)
    this.#ringing = undefined
    this.#dialog = undefined
  }

  #receiveResponse(response: SipResponse): void {
    const branch = branchOf(headersOf(response, 'via')[0])
    const sequence = sequenceOf(response)
    if (branch === undefined || sequence === undefined) return
    const client = this.#clients.get(`${branch} ${sequence.method}`)
    if (client !== undefined) {
      client.receive(response)
      return
    }
    if (this.#lastRefusal?.branch === branch && response.status >= 300) this.#lastRefusal.acknowledge()
    const acknowledged = this.#dialog?.acknowledged
    const again = sequence.method === 'INVITE' && response.status >= 200 && response.status < 300
    if (again && acknowledged?.sequence === sequence.number) acknowledged.send()
  }

  #receiveRequest(request: SipRequest, source: Peer): void {
    const branch = branchOf(headersOf(request, 'via')[0])
    const sequence = sequenceOf(request)
    const callId = headerOf(request, 'call-id')
    if (branch === undefined || callId === undefined || sequence?.method !== request.method) return
    const dialog = this.#dialogOf(request, callId)
    if (request.method === 'ACK') {
      if (this.#answers.acknowledged(`${callId} ${sequence.number}`) && dialog?.established === true) {
        this.#options.onEvent('acknowledged', callId)
      }
      return
    }
    if (this.#answers.heardBefore(`${branch} ${request.method}`)) return
    this.#answers.note(`${branch} ${request.method}`)
    if (dialog !== undefined) {
      if (sequence.number < dialog.remoteSequence) {
        this.#answer(request, source, { status: 500, reason: 'CSeq Out Of Order' })
        return
      }
      dialog.remoteSequence = sequence.number
    }
    switch (request.method) {
      case 'INVITE':
        if (dialog === undefined) this.#receiveInvite(request, source, callId)
        else this.#receiveReinvite(request, source, dialog)
        return
      case 'CANCEL':
        this.#receiveCancel(request, source, branch)
        return
      case 'OPTIONS':
        this.#answer(request, source, { status: 200, reason: 'OK' })
        return
      case 'BYE':
      case 'INFO':
      case 'UPDATE':
        if (dialog === undefined) {
          this.#answer(request, source, { status: 481, reason: 'Call/Transaction Does Not Exist' })
        } else this.#receiveInDialog(request, source, dialog)
        return
      default:
        this.#answer(request, source, { status: 405, reason: 'Method Not Allowed' })
    }
  }

  #receiveInDialog(request: SipRequest, source: Peer, dialog: Dialog): void {
    if (request.method === 'BYE') {
      this.#answer(request, source, { status: 200, reason: 'OK' })
      this.#end(dialog, 'ended')
    } else if (request.method === 'INFO') {
      this.#answer(request, source, { status: 200, reason: 'OK' })
      this.#options.onInfo(headerOf(request, 'content-type') ?? '', request.body)
      this.#options.onEvent('info', dialog.callId)
    } else {
      this.#retarget(dialog, request)
      const answer = request.body === '' ? '' : this.#options.media.answerTo(request.body)
      if (answer === undefined) this.#answer(request, source, { status: 488, reason: 'Not Acceptable Here' })
      else this.#answer(request, source, { status: 200, reason: 'OK', sdp: answer })
    }
  }

  #receiveInvite(request: SipRequest, source: Peer, callId: string): void {
    const from = headerOf(request, 'from') ?? ''
    if (tagOf(headerOf(request, 'to') ?? '') !== undefined) {
      this.#answer(request, source, { status: 481, reason: 'Call/Transaction Does Not Exist' })
      return
    }
    if (this.#dialog !== undefined) {
      this.#answer(request, source, { status: 486, reason: 'Busy Here' })
      return
    }
    const dialog: Dialog = {
      callId,
      localTag: token(),
      localUri: uriOf(headerOf(request, 'to') ?? ''),
      remoteUri: uriOf(from),
      remoteTag: tagOf(from),
      target: uriOf(headerOf(request, 'contact') ?? from),
      routes: headersOf(request, 'record-route'),
      peer: source,
      localSequence: 0,
      remoteSequence: sequenceOf(request)?.number ?? 0,
      established: false,
      acknowledged: undefined,
    }
    this.#dialog = dialog
    const ringing: Ringing = { request, source, timer: undefined }
    this.#ringing = ringing
    this.#options.onEvent('incoming', callId)
    const policy = this.policy
    if (policy.kind === 'refuse') {
      ringing.timer = setTimeout(() => {
        this.#ringing = undefined
        const extra = (policy.headers ?? []).map(([name, value]): SipHeader => [name.toLowerCase(), value])
        this.#answerInvite(request, source, { status: policy.status, reason: policy.reason, extra })
        this.#end(dialog, 'refused')
      }, policy.afterMs)
      return
    }
    const early = policy.kind === 'answer' && policy.earlyMedia ? this.#describe(request) : undefined
    if (early === undefined) this.#answer(request, source, { status: 180, reason: 'Ringing' })
    else this.#answer(request, source, { status: 183, reason: 'Session Progress', sdp: early })
    if (policy.kind === 'ring') return
    ringing.timer = setTimeout(() => this.#pickUp(ringing, dialog, early), policy.afterMs)
  }

  #pickUp(ringing: Ringing, dialog: Dialog, early: string | undefined): void {
    this.#ringing = undefined
    const { request, source } = ringing
    const sdp = early ?? this.#describe(request)
    if (sdp === undefined) {
      this.#answerInvite(request, source, { status: 488, reason: 'Not Acceptable Here' })
      this.#end(dialog, 'refused')
      return
    }
    dialog.established = true
    this.#answerInvite(request, source, { status: 200, reason: 'OK', sdp })
    this.#options.onEvent('answered', dialog.callId)
  }

  #receiveReinvite(request: SipRequest, source: Peer, dialog: Dialog): void {
    if (!dialog.established || this.#offering) {
      this.#answerInvite(request, source, { status: 491, reason: 'Request Pending' })
      return
    }
    this.#retarget(dialog, request)
    const sdp = this.#describe(request)
    if (sdp === undefined) this.#answerInvite(request, source, { status: 488, reason: 'Not Acceptable Here' })
    else {
      this.#answerInvite(request, source, { status: 200, reason: 'OK', sdp })
      this.#options.onEvent('reinvited', dialog.callId)
    }
  }

  #receiveCancel(request: SipRequest, source: Peer, branch: string): void {
    const ringing = this.#ringing
    if (ringing === undefined || branchOf(headersOf(ringing.request, 'via')[0]) !== branch) {
      this.#answer(request, source, { status: 481, reason: 'Call/Transaction Does Not Exist' })
      return
    }
    clearTimeout(ringing.timer)
    this.#ringing = undefined
    this.#answer(request, source, { status: 200, reason: 'OK' })
    this.#answerInvite(ringing.request, ringing.source, { status: 487, reason: 'Request Terminated' })
    if (this.#dialog !== undefined) this.#end(this.#dialog, 'cancelled')
  }

  /** Our SDP for an INVITE: an answer to its offer, or an offer of our own when it brought none. */
  #describe(request: SipRequest): string | undefined {
    return request.body === '' ? this.#options.media.offer() : this.#options.media.answerTo(request.body)
  }

  #heardProvisional(dialog: Dialog, response: SipResponse): void {
    const inviting = this.#inviting
    if (inviting?.cancelled === true) this.#sendCancel(inviting.transaction.request, dialog.peer)
    if (response.status === 100) return
    const hasSdp = response.body !== ''
    if (hasSdp) this.#options.media.acceptAnswer(response.body)
    this.#options.onEvent(hasSdp ? 'early_media' : 'ringing', dialog.callId)
  }

  #establish(dialog: Dialog, response: SipResponse): void {
    dialog.remoteTag = tagOf(headerOf(response, 'to') ?? '')
    dialog.routes = [...headersOf(response, 'record-route')].reverse()
    dialog.established = true
    this.#acknowledge(dialog, response)
    if (response.body !== '') this.#options.media.acceptAnswer(response.body)
    this.#options.onEvent('answered', dialog.callId)
  }

  /** The ACK of a 2xx is a transaction of its own (RFC 3261 section 13.2.2.4). */
  #acknowledge(dialog: Dialog, response: SipResponse): void {
    this.#retarget(dialog, response)
    const sequence = sequenceOf(response)?.number ?? dialog.localSequence
    const request = this.#build(dialog, 'ACK', { body: '', contentType: '', extra: [], sequence })
    const bytes = formatSip(request)
    const peer = this.#nextHop(dialog)
    const send = (): void => this.#options.send(bytes, peer)
    dialog.acknowledged = { sequence, send }
    send()
  }

  /** The ACK of a refusal belongs to the INVITE's own transaction (RFC 3261 section 17.1.1.3). */
  #acknowledgeRefusal(invite: SipRequest, response: SipResponse, peer: Peer): void {
    const to = headerOf(response, 'to') ?? ''
    const bytes = formatSip(sameTransaction(invite, 'ACK', to))
    const acknowledge = (): void => this.#options.send(bytes, peer)
    this.#lastRefusal = { branch: branchOf(headersOf(invite, 'via')[0]) ?? '', acknowledge }
    acknowledge()
  }

  #sendCancel(invite: SipRequest, peer: Peer): void {
    const request = sameTransaction(invite, 'CANCEL', headerOf(invite, 'to') ?? '')
    if (this.#clients.has(keyOf(request))) return
    void this.#ask(request, peer)
  }

  #retarget(dialog: Dialog, message: SipMessage): void {
    const contact = headerOf(message, 'contact')
    if (contact !== undefined) dialog.target = uriOf(contact)
  }

  #end(dialog: Dialog, why: 'ended' | 'refused' | 'cancelled'): void {
    if (this.#dialog !== dialog) return
    this.#dialog = undefined
    this.#offering = false
    this.#options.media.stop()
    this.#options.onEvent(why, dialog.callId)
  }

  #dialogOf(request: SipRequest, callId: string): Dialog | undefined {
    const dialog = this.#dialog
    if (dialog?.callId !== callId) return undefined
    if (tagOf(headerOf(request, 'to') ?? '') !== dialog.localTag) return undefined
    if (dialog.remoteTag !== undefined && tagOf(headerOf(request, 'from') ?? '') !== dialog.remoteTag) return undefined
    return dialog
  }

  /** Loose routing only (RFC 3261 section 12.2.1.1). */
  #nextHop(dialog: Dialog): Peer {
    const first = dialog.routes[0]
    return hostPortOf(first === undefined ? dialog.target : uriOf(first)) ?? dialog.peer
  }

  #build(
    dialog: Dialog,
    method: string,
    content: {
      readonly body: string
      readonly contentType: string
      readonly extra: readonly SipHeader[]
      readonly sequence?: number
    },
  ): SipRequest {
    if (content.sequence === undefined) dialog.localSequence += 1
    const remoteTag = dialog.remoteTag === undefined ? '' : `;tag=${dialog.remoteTag}`
    const name = this.#options.displayName === '' ? '' : `"${this.#options.displayName}" `
    return {
      kind: 'request',
      method,
      uri: dialog.target,
      headers: [
        this.#via(),
        ...dialog.routes.map((route): SipHeader => ['route', route]),
        ['max-forwards', '70'],
        ['from', `${name}<${dialog.localUri}>;tag=${dialog.localTag}`],
        ['to', `<${dialog.remoteUri}>${remoteTag}`],
        ['call-id', dialog.callId],
        ['cseq', `${content.sequence ?? dialog.localSequence} ${method}`],
        ...this.#own(),
        ...content.extra,
        ...(content.body === '' ? [] : [['content-type', content.contentType] as const]),
      ],
      body: content.body,
    }
  }

  #via(): SipHeader {
    const { host, port } = this.#options.local
    return ['via', `SIP/2.0/UDP ${host}:${port};branch=z9hG4bK${token()};rport`]
  }

  #own(): readonly SipHeader[] {
    const { host, port } = this.#options.local
    return [
      ['contact', `<sip:${this.#options.user}@${host}:${port}>`],
      ['allow', ALLOW],
      ['user-agent', this.#options.userAgent],
    ]
  }

  #start(
    request: SipRequest,
    peer: Peer,
    handlers: {
      readonly provisionalMs?: number
      readonly onProvisional: (response: SipResponse) => void
      readonly onFinal: (response: SipResponse | undefined) => void
    },
  ): ClientTransaction {
    const bytes = formatSip(request)
    const key = keyOf(request)
    const transaction = new ClientTransaction({
      request,
      send: () => this.#options.send(bytes, peer),
      ...handlers,
      onFinal: (response) => {
        this.#clients.delete(key)
        handlers.onFinal(response)
      },
    })
    this.#clients.set(key, transaction)
    return transaction
  }

  #ask(request: SipRequest, peer: Peer): Promise<RequestOutcome> {
    return new Promise((resolve) => {
      this.#start(request, peer, {
        onProvisional: () => undefined,
        onFinal: (response) => {
          if (response === undefined) resolve({ kind: 'unanswered' })
          else if (response.status < 300) resolve({ kind: 'done', status: response.status })
          else resolve({ kind: 'refused', status: response.status, reason: response.reason })
        },
      })
    })
  }

  #answer(
    request: SipRequest,
    source: Peer,
    answer: {
      readonly status: number
      readonly reason: string
      readonly sdp?: string
      readonly extra?: readonly SipHeader[]
    },
  ): void {
    this.#answers.answer(keyOf(request), this.#answerSender(request, source, answer))
  }

  #answerInvite(
    request: SipRequest,
    source: Peer,
    answer: {
      readonly status: number
      readonly reason: string
      readonly sdp?: string
      readonly extra?: readonly SipHeader[]
    },
  ): void {
    const key = `${headerOf(request, 'call-id') ?? ''} ${sequenceOf(request)?.number ?? 0}`
    this.#answers.answerUntilAcknowledged(keyOf(request), key, {
      send: this.#answerSender(request, source, answer),
      onLost: () => undefined,
    })
  }

  #answerSender(
    request: SipRequest,
    source: Peer,
    answer: {
      readonly status: number
      readonly reason: string
      readonly sdp?: string
      readonly extra?: readonly SipHeader[]
    },
  ): () => void {
    const to = headerOf(request, 'to') ?? ''
    const localTag = this.#dialog?.callId === headerOf(request, 'call-id') ? this.#dialog?.localTag : undefined
    const tagged = tagOf(to) !== undefined || answer.status === 100 ? to : `${to};tag=${localTag ?? token()}`
    const sdp = answer.sdp ?? ''
    const kept = request.headers.filter(
      ([name]) => name === 'via' || name === 'from' || name === 'call-id' || name === 'cseq' || name === 'record-route',
    )
    const bytes = formatSip({
      kind: 'response',
      status: answer.status,
      reason: answer.reason,
      headers: [
        ...kept,
        ['to', tagged],
        ...this.#own(),
        ...(answer.extra ?? []),
        ...(sdp === '' ? [] : [['content-type', SDP_TYPE] as const]),
      ],
      body: sdp,
    })
    const peer = responsePeer(headersOf(request, 'via')[0] ?? '', source)
    return () => this.#options.send(bytes, peer)
  }
}

/** With rport an answer goes back to the source port (RFC 3581), else to the port that Via names (section 18.2.2). */
function responsePeer(via: string, source: Peer): Peer {
  if (/;\s*rport/i.test(via)) return source
  const port = /^SIP\/2\.0\/UDP\s+[^;:\s]+:(\d{1,5})/i.exec(via)?.[1]
  return { host: source.host, port: port === undefined ? 5060 : Number(port) }
}

/** CANCEL and the ACK of a refusal repeat the INVITE's Via, From, Call-ID and number. */
function sameTransaction(invite: SipRequest, method: 'ACK' | 'CANCEL', to: string): SipRequest {
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

function keyOf(request: SipRequest): string {
  return `${branchOf(headersOf(request, 'via')[0]) ?? ''} ${request.method}`
}

function branchOf(via: string | undefined): string | undefined {
  return via === undefined ? undefined : /;\s*branch=([^;\s,]+)/i.exec(via)?.[1]
}

function sequenceOf(message: SipMessage): { readonly number: number; readonly method: string } | undefined {
  const found = /^(\d{1,10})\s+([A-Z]+)$/.exec(headerOf(message, 'cseq') ?? '')
  return found === null ? undefined : { number: Number(found[1]), method: found[2] ?? '' }
}

function token(): string {
  return randomBytes(9).toString('hex')
}
