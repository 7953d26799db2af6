import { AnswerSender, type Heard, type PhoneAnswer } from './answer-sender.ts'
import type { ClientTransaction } from './client-transaction.ts'
import { Dialog } from './dialog.ts'
import { newVia, type PhoneIdentity } from './phone-identity.ts'
import type { AnswerPolicy, CallOptions, CallOutcome, PhoneEventName, RequestOutcome } from './phone-protocol.ts'
import { RequestSender } from './request-sender.ts'
import { branchOf, sequenceOf, token } from './sip-fields.ts'
import {
  formatSip,
  headerOf,
  hostPortOf,
  tagOf,
  type Peer,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from './sip-text.ts'

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

export type UserAgentOptions = PhoneIdentity & {
  readonly policy: AnswerPolicy
  readonly media: MediaSide
  readonly send: (datagram: Buffer, to: Peer) => void
  readonly onEvent: (name: PhoneEventName, callId: string) => void
  readonly onInfo: (contentType: string, body: string) => void
}

/** A phone gives up ringing after two minutes unless told otherwise: longer than any test or demonstration. */
const RING_MS = 120_000

const SDP_TYPE = 'application/sdp'

type Ringing = Heard & { timer: NodeJS.Timeout | undefined }

/** A small SIP user agent over UDP (RFC 3261) that plays a carrier's or an agent's telephone. */
export class UserAgent {
  readonly #options: UserAgentOptions
  readonly #requests: RequestSender
  readonly #answers: AnswerSender
  policy: AnswerPolicy
  /** A phone has at most one call. */
  #dialog: Dialog | undefined
  #ringing: Ringing | undefined
  #inviting: { readonly transaction: ClientTransaction; cancelled: boolean } | undefined
  #offering = false

  constructor(options: UserAgentOptions) {
    this.#options = options
    this.policy = options.policy
    this.#requests = new RequestSender(options.send)
    this.#answers = new AnswerSender(options, options.send)
  }

  /** Calls, and waits for the final answer. */
  call(options: CallOptions): Promise<CallOutcome> {
    if (this.#dialog !== undefined) return Promise.resolve({ kind: 'busy' })
    const peer = hostPortOf(options.proxy ?? options.to)
    const callId = `${token()}@${this.#options.local.host}`
    if (peer === undefined) return Promise.resolve({ kind: 'unanswered', callId })
    const dialog = Dialog.calling(this.#options, { callId, peer, to: options.to, from: options.from })
    this.#dialog = dialog
    return new Promise((resolve) => {
      const offer = this.#options.media.offer()
      const extra = lowerCase(options.headers)
      const request = dialog.request('INVITE', { body: offer, contentType: SDP_TYPE, extra })
      const transaction = this.#requests.start(request, peer, {
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
          if (response === undefined) this.#requests.cancel(request, peer)
          else this.#requests.acknowledgeRefusal(request, response, peer)
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
      this.#requests.cancel(inviting.transaction.request, this.#dialog.peer)
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
    const request = dialog.request(method, content)
    return this.#requests.ask(request, dialog.nextHop)
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
        newVia(this.#options),
        ['max-forwards', '70'],
        ['from', `<sip:${this.#options.user}@${local.host}>;tag=${token()}`],
        ['to', `<${to}>`],
        ['call-id', `${token()}@${local.host}`],
        ['cseq', '1 OPTIONS'],
        ['accept', SDP_TYPE],
      ],
      body: '',
    }
    return this.#requests.ask(request, peer)
  }

  /** Sends a re-INVITE with the media side's present offer (hold, other codecs, another address). */
  reinvite(): Promise<RequestOutcome> {
    const dialog = this.#dialog
    if (dialog?.established !== true) return Promise.resolve({ kind: 'no_call' })
    if (this.#offering) return Promise.resolve({ kind: 'refused', status: 491, reason: 'Request Pending' })
    this.#offering = true
    const request = dialog.request('INVITE', {
      body: this.#options.media.offer(),
      contentType: SDP_TYPE,
    })
    const peer = dialog.nextHop
    return new Promise((resolve) => {
      this.#requests.start(request, peer, {
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
            this.#requests.acknowledgeRefusal(request, response, peer)
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
    this.#requests.close()
    this.#answers.close()
    clearTimeout(this.#ringing?.timer)
    this.#ringing = undefined
    this.#dialog = undefined
  }

  #receiveResponse(response: SipResponse): void {
    if (this.#requests.receive(response)) return
    const sequence = sequenceOf(response)
    const acknowledged = this.#dialog?.acknowledged
    const again = sequence?.method === 'INVITE' && response.status >= 200 && response.status < 300
    if (again && acknowledged?.sequence === sequence.number) acknowledged.send()
  }

  #receiveRequest(request: SipRequest, source: Peer): void {
    const sequence = sequenceOf(request)
    const callId = headerOf(request, 'call-id')
    if (branchOf(request) === undefined || callId === undefined || sequence?.method !== request.method) return
    const dialog = this.#dialog?.holds(request) === true ? this.#dialog : undefined
    if (request.method === 'ACK') {
      if (this.#answers.acknowledged(request) && dialog?.established === true) {
        this.#options.onEvent('acknowledged', callId)
      }
      return
    }
    if (!this.#answers.isNew(request)) return
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
        this.#receiveCancel(request, source)
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
      dialog.retarget(request)
      const answer = request.body === '' ? '' : this.#options.media.answerTo(request.body)
      if (answer === undefined) this.#answer(request, source, { status: 488, reason: 'Not Acceptable Here' })
      else this.#answer(request, source, { status: 200, reason: 'OK', sdp: answer })
    }
  }

  #receiveInvite(request: SipRequest, source: Peer, callId: string): void {
    if (tagOf(headerOf(request, 'to') ?? '') !== undefined) {
      this.#answer(request, source, { status: 481, reason: 'Call/Transaction Does Not Exist' })
      return
    }
    if (this.#dialog !== undefined) {
      this.#answer(request, source, { status: 486, reason: 'Busy Here' })
      return
    }
    const dialog = Dialog.called(this.#options, request, source)
    this.#dialog = dialog
    const ringing: Ringing = { request, source, timer: undefined }
    this.#ringing = ringing
    this.#options.onEvent('incoming', callId)
    const policy = this.policy
    if (policy.kind === 'refuse') {
      ringing.timer = setTimeout(() => {
        this.#ringing = undefined
        const extra = lowerCase(policy.headers)
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
    dialog.retarget(request)
    const sdp = this.#describe(request)
    if (sdp === undefined) this.#answerInvite(request, source, { status: 488, reason: 'Not Acceptable Here' })
    else {
      this.#answerInvite(request, source, { status: 200, reason: 'OK', sdp })
      this.#options.onEvent('reinvited', dialog.callId)
    }
  }

  #receiveCancel(request: SipRequest, source: Peer): void {
    const ringing = this.#ringing
    if (ringing === undefined || branchOf(ringing.request) !== branchOf(request)) {
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
    if (inviting?.cancelled === true) this.#requests.cancel(inviting.transaction.request, dialog.peer)
    if (response.status === 100) return
    const hasSdp = response.body !== ''
    if (hasSdp) this.#options.media.acceptAnswer(response.body)
    this.#options.onEvent(hasSdp ? 'early_media' : 'ringing', dialog.callId)
  }

  #establish(dialog: Dialog, response: SipResponse): void {
    dialog.establish(response)
    this.#acknowledge(dialog, response)
    if (response.body !== '') this.#options.media.acceptAnswer(response.body)
    this.#options.onEvent('answered', dialog.callId)
  }

  /** The ACK of a 2xx is a transaction of its own (RFC 3261 section 13.2.2.4). */
  #acknowledge(dialog: Dialog, response: SipResponse): void {
    dialog.retarget(response)
    const { request, sequence } = dialog.ackOf(response)
    const bytes = formatSip(request)
    const peer = dialog.nextHop
    const send = (): void => this.#options.send(bytes, peer)
    dialog.acknowledged = { sequence, send }
    send()
  }

  #end(dialog: Dialog, why: 'ended' | 'refused' | 'cancelled'): void {
    if (this.#dialog !== dialog) return
    this.#dialog = undefined
    this.#offering = false
    this.#options.media.stop()
    this.#options.onEvent(why, dialog.callId)
  }

  /** An answer inside our call, or to the INVITE that asks for it, has our tag of it. */
  #tagged(request: SipRequest, answer: PhoneAnswer): PhoneAnswer {
    const dialog = this.#dialog
    return dialog?.callId === headerOf(request, 'call-id') ? { ...answer, tag: dialog?.localTag } : answer
  }

  #answer(request: SipRequest, source: Peer, answer: PhoneAnswer): void {
    this.#answers.answer({ request, source }, this.#tagged(request, answer))
  }

  #answerInvite(request: SipRequest, source: Peer, answer: PhoneAnswer): void {
    this.#answers.answerInvite({ request, source }, this.#tagged(request, answer))
  }
}

function lowerCase(headers: CallOptions['headers'] = []): readonly SipHeader[] {
  return headers.map(([name, value]) => [name.toLowerCase(), value])
}
