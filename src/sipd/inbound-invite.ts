import { Dialog, newTag } from './dialog.ts'
import { DialogGroup, dialogIdOf, type PeerInvite } from './dialog-group.ts'
import type { InboundRequest } from './inbound-request.ts'
import { hasToken, header, serialize, valueOf, type Header, type SipResponse } from './message.ts'
import { withTag } from './name-addr.ts'
import { Repeater } from './repeater.ts'
import { buildResponse } from './response-builder.ts'
import type { SipCore } from './sip-core.ts'

/** The first RSeq is random (RFC 3262 section 3: 1 to 2^31 - 1) and leaves room to count up. */
const FIRST_RSEQ_MAX = 2 ** 30

/** Reliable provisionals that may wait for a PRACK at once; one call needs one or two. */
const RELIABLE_MAX = 8

export type InviteEvents = {
  /** The peer never acknowledged our 2xx: the dialog has to be ended (RFC 3261 section 13.3.1.4). */
  readonly ackTimeout: (group: DialogGroup) => void
  /** The application has answered with 2xx, but the INVITE was over before that could be sent. */
  readonly answeredTooLate: (group: DialogGroup, reason: 'CANCEL after 200 OK' | 'PRACK timeout') => void
}

/** How a provisional goes out. */
export type Reliability = 'plain' | 'reliable' | 'unsupported' | 'too_many'

type HeldResponse = { readonly response: SipResponse; readonly bytes: Buffer; readonly reliable: boolean }

/** An INVITE from the network, from its first answer to its ACK; `group` is set from the start for a re-INVITE. */
export class InboundInvite implements PeerInvite {
  readonly inbound: InboundRequest
  readonly #core: SipCore
  readonly #events: InviteEvents
  /** Reliable provisionals that wait for their PRACK, by RSeq. */
  readonly #reliable = new Map<string, { readonly repeater: Repeater; readonly describes: boolean }>()
  /** What may not be sent before a PRACK. */
  #held: HeldResponse[] = []
  #firstAcknowledged = false
  #to: string
  #tagShown = false
  #group: DialogGroup | undefined
  #rseq = 1 + Math.floor(Math.random() * FIRST_RSEQ_MAX)
  #answer: Repeater | undefined
  #state: 'ringing' | 'answered' | 'acknowledged' | 'refused' = 'ringing'

  constructor(core: SipCore, inbound: InboundRequest, events: InviteEvents) {
    this.#core = core
    this.#events = events
    this.inbound = inbound
    this.#group = inbound.group
    const given = valueOf(inbound.request, 'to') ?? ''
    this.#to = inbound.envelope.toTag === '' ? withTag(given, newTag()) : given
  }

  /** The To value of our answers, with tag. */
  get to(): string {
    return this.#to
  }

  /** Takes the application's own tag, as long as no answer has shown another. */
  adoptTag(tag: string | undefined): void {
    if (tag === undefined || this.#tagShown || this.inbound.envelope.toTag !== '') return
    this.#to = withTag(valueOf(this.inbound.request, 'to') ?? '', tag)
  }

  get pending(): boolean {
    return this.#state === 'ringing'
  }

  get transactionId(): string {
    return this.inbound.transactionId
  }

  get group(): DialogGroup | undefined {
    return this.#group
  }

  /** The dialog id as the application will know it, whether the dialog exists yet or not. */
  get dialogId(): string {
    return this.#group?.id ?? dialogIdOf(this.inbound.envelope.callId, this.inbound.envelope.fromTag)
  }

  /** Reliably when the application or the peer insists on it (RFC 3262 section 3). */
  reliability(response: SipResponse): Reliability {
    const { request } = this.inbound
    if (response.status <= 100 || response.status >= 200) return 'plain'
    const insists = hasToken(request, 'require', '100rel')
    if (!insists && !hasToken(response, 'require', '100rel')) return 'plain'
    if (!insists && !hasToken(request, 'supported', '100rel')) return 'unsupported'
    return this.#reliable.size + this.#held.length < RELIABLE_MAX ? 'reliable' : 'too_many'
  }

  /** The RSeq header of the next reliable provisional. */
  nextRseq(): Header {
    const value = header('RSeq', String(this.#rseq))
    this.#rseq += 1
    return value
  }

  /** Sends an answer that is built already, as soon as PRACKs allow it, and does what its status means for the dialog. */
  send(response: SipResponse, bytes: Buffer, options: { readonly reliable: boolean }): void {
    const held: HeldResponse = { response, bytes, reliable: options.reliable }
    if (response.status < 300 && (this.#held.length > 0 || this.#mustWait(held))) this.#held.push(held)
    else this.#sendNow(held)
  }

  #sendNow({ response, bytes, reliable }: HeldResponse): void {
    const { transaction } = this.inbound
    if (response.status > 100) this.#tagShown = true
    if (response.status > 100 && response.status < 300) this.#enterDialog(response.status)
    this.#group?.descriptions.responseSent(this.inbound.request, response)
    if (this.#group !== undefined) this.#group.localContact = valueOf(response, 'contact') ?? this.#group.localContact
    if (reliable) this.#repeatProvisional(response, bytes)
    if (response.status >= 200) this.#stopProvisionals()
    transaction.respond(response.status, bytes)
    if (response.status >= 300) this.#refused()
    else if (response.status >= 200) {
      this.#state = 'answered'
      this.#answer = new Repeater({
        clock: this.#core.clock,
        times: this.#core.limits,
        capped: true,
        // The transaction ends with timer L at about the same time as this gives up; then its flow is used directly.
        send: () => transaction.respond(response.status, bytes),
        giveUp: () => {
          if (this.#group !== undefined) this.#events.ackTimeout(this.#group)
        },
      })
    }
  }

  /**
   * RFC 3262 section 3: no second reliable provisional before the first is acknowledged, and no 2xx before each that
   * carried a session description is.
   */
  #mustWait({ response, reliable }: HeldResponse): boolean {
    if (reliable) return this.#reliable.size > 0 && !this.#firstAcknowledged
    return response.status >= 200 && [...this.#reliable.values()].some(({ describes }) => describes)
  }

  refuse(status: 408 | 487 | 500 | 503 | 504): void {
    if (!this.pending) return
    const answered = this.#held.some(({ response }) => response.status >= 200)
    this.#held = []
    const response = buildResponse(this.inbound.request, { status, to: this.to })
    this.send(response, serialize(response), { reliable: false })
    // The application believes that it answered; of a re-INVITE it believes no more than that.
    if (answered && this.#group !== undefined && this.inbound.group === undefined && status !== 503)
      this.#events.answeredTooLate(this.#group, status === 504 ? 'PRACK timeout' : 'CANCEL after 200 OK')
  }

  ack(sequence: number): 'first' | 'repeated' | 'unknown' {
    if (sequence !== this.inbound.envelope.cseq.number) return 'unknown'
    if (this.#state === 'acknowledged') return 'repeated'
    if (this.#state !== 'answered') return 'unknown'
    this.#state = 'acknowledged'
    this.#answer?.stop()
    return 'first'
  }

  prack(rack: string): 'awaited' | 'after_answer' | 'unknown' {
    const [rseq, sequence, method] = rack.split(/[ \t]+/, 3)
    const ours = Number(sequence) === this.inbound.envelope.cseq.number && method === 'INVITE'
    const acknowledged = ours && rseq !== undefined ? this.#reliable.get(rseq) : undefined
    if (rseq === undefined || acknowledged === undefined) return 'unknown'
    acknowledged.repeater.stop()
    this.#reliable.delete(rseq)
    this.#firstAcknowledged = true
    const answered = !this.pending || this.#held.some(({ response }) => response.status >= 200)
    // The PRACK is answered first, and reaches the application first.
    queueMicrotask(() => this.#release())
    return answered ? 'after_answer' : 'awaited'
  }

  #release(): void {
    for (;;) {
      const [next] = this.#held
      if (next === undefined || !this.pending || this.#mustWait(next)) return
      this.#held.shift()
      this.#sendNow(next)
    }
  }

  stop(): void {
    this.#stopProvisionals()
    this.#answer?.stop()
  }

  #enterDialog(status: number): void {
    const { inbound } = this
    if (this.#group === undefined) {
      const dialog = Dialog.ofRequest(inbound.request, {
        to: this.to,
        sequence: inbound.envelope.cseq.number,
        flow: inbound.transaction.flow,
      })
      this.#group = new DialogGroup(this.dialogId, inbound.application, dialog)
      this.#group.peerInvite = this
      this.#group.descriptions.requestArrived(inbound.request)
      this.#group.peerUpdates = hasToken(inbound.request, 'allow', 'update')
      this.#core.dialogs.add(this.#group)
    }
    if (status >= 200 && !this.#group.ended) this.#group.active.state = 'confirmed'
  }

  /** A refused first INVITE takes its early dialog with it; a refused re-INVITE leaves the dialog as it was (section 14.2). */
  #refused(): void {
    this.#state = 'refused'
    if (this.#group === undefined || this.inbound.group !== undefined) return
    this.#group.inviteAlive = false
    this.#group.active.state = 'ended'
    this.#core.dialogs.remove(this.#group)
  }

  #repeatProvisional(response: SipResponse, bytes: Buffer): void {
    const repeater = new Repeater({
      clock: this.#core.clock,
      times: this.#core.limits,
      capped: false,
      send: () => this.inbound.transaction.respond(response.status, bytes),
      giveUp: () => this.refuse(504),
    })
    this.#reliable.set(valueOf(response, 'rseq') ?? '', { repeater, describes: response.body.length > 0 })
  }

  /** What is not acknowledged yet may still be (RFC 3262 section 3). */
  #stopProvisionals(): void {
    for (const { repeater } of this.#reliable.values()) repeater.stop()
  }
}
