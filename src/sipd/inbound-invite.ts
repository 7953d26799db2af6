import { Dialog, newTag } from './dialog.ts'
import { DialogGroup, dialogIdOf, type PeerInvite } from './dialog-group.ts'
import type { InboundRequest } from './inbound-request.ts'
import { hasToken, header, serialize, valueOf, type Header, type SipResponse } from './message.ts'
import { withTag } from './name-addr.ts'
import { Repeater } from './repeater.ts'
import { buildResponse } from './response-builder.ts'
import type { SipCore } from './sip-core.ts'

/** RSeq begins low enough to count up (RFC 3262 section 3: 1 to 2^31 - 1). */
const FIRST_RSEQ = 1

/** Reliable provisionals that may wait for a PRACK at once; one call needs one or two. */
const RELIABLE_MAX = 8

export type InviteEvents = {
  /** The peer never acknowledged our 2xx: the dialog has to be ended (RFC 3261 section 13.3.1.4). */
  readonly ackTimeout: (group: DialogGroup) => void
}

/** An INVITE from the network, from its first answer to its ACK; `group` is set from the start for a re-INVITE. */
export class InboundInvite implements PeerInvite {
  readonly inbound: InboundRequest
  readonly #core: SipCore
  readonly #events: InviteEvents
  readonly #reliable = new Map<string, Repeater>()
  #to: string
  #tagShown = false
  #group: DialogGroup | undefined
  #rseq = FIRST_RSEQ
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

  /** True when this provisional may go out reliably: the application asks for it and the peer can (RFC 3262 section 3). */
  reliably(response: SipResponse): boolean {
    const { request } = this.inbound
    return (
      response.status > 100 &&
      response.status < 200 &&
      hasToken(response, 'require', '100rel') &&
      (hasToken(request, 'supported', '100rel') || hasToken(request, 'require', '100rel')) &&
      this.#reliable.size < RELIABLE_MAX
    )
  }

  /** The RSeq header of the next reliable provisional. */
  nextRseq(): Header {
    return header('RSeq', String(this.#rseq))
  }

  /** Sends an answer that is built already, and does what its status means for the dialog. */
  send(response: SipResponse, bytes: Buffer, options: { readonly reliable: boolean }): void {
    const { transaction } = this.inbound
    if (response.status > 100) this.#tagShown = true
    if (response.status > 100 && response.status < 300) this.#enterDialog(response.status)
    if (options.reliable) this.#repeatProvisional(response.status, bytes)
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

  refuse(status: 408 | 487 | 500 | 503 | 504): void {
    if (!this.pending) return
    const response = buildResponse(this.inbound.request, { status, to: this.to })
    this.send(response, serialize(response), { reliable: false })
  }

  ack(sequence: number): 'first' | 'repeated' | 'unknown' {
    if (sequence !== this.inbound.envelope.cseq.number) return 'unknown'
    if (this.#state === 'acknowledged') return 'repeated'
    if (this.#state !== 'answered') return 'unknown'
    this.#state = 'acknowledged'
    this.#answer?.stop()
    return 'first'
  }

  prack(rack: string): boolean {
    const [rseq, sequence, method] = rack.split(/[ \t]+/, 3)
    if (rseq === undefined || Number(sequence) !== this.inbound.envelope.cseq.number || method !== 'INVITE')
      return false
    const repeater = this.#reliable.get(rseq)
    repeater?.stop()
    return this.#reliable.delete(rseq)
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
      this.#core.dialogs.add(this.#group)
    }
    if (status >= 200 && !this.#group.ended) this.#group.active.state = 'confirmed'
  }

  /** A refused first INVITE takes its early dialog with it; a refused re-INVITE leaves the dialog as it was (section 14.2). */
  #refused(): void {
    this.#state = 'refused'
    if (this.#group === undefined || this.inbound.group !== undefined) return
    this.#group.active.state = 'ended'
    this.#core.dialogs.remove(this.#group)
  }

  #repeatProvisional(status: number, bytes: Buffer): void {
    const rseq = String(this.#rseq)
    this.#rseq += 1
    this.#reliable.set(
      rseq,
      new Repeater({
        clock: this.#core.clock,
        times: this.#core.limits,
        capped: false,
        send: () => this.inbound.transaction.respond(status, bytes),
        giveUp: () => this.refuse(504),
      }),
    )
  }

  #stopProvisionals(): void {
    for (const repeater of this.#reliable.values()) repeater.stop()
    this.#reliable.clear()
  }
}
