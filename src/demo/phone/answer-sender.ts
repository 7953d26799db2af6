import { AnswerBook } from './answer-book.ts'
import { ownHeaders, type PhoneIdentity } from './phone-identity.ts'
import { responsePeer, sequenceOf, token, transactionKey } from './sip-fields.ts'
import { formatSip, headerOf, tagOf, type Peer, type SipHeader, type SipRequest } from './sip-text.ts'

/** An answer to a request. `tag` is our side of its dialog; without one the answer gets a tag of its own. */
export type PhoneAnswer = {
  readonly status: number
  readonly reason: string
  readonly tag?: string | undefined
  readonly sdp?: string
  readonly extra?: readonly SipHeader[]
}

/** A request of the peer, and where it came from. */
export type Heard = { readonly request: SipRequest; readonly source: Peer }

/** Writes and sends the answers of one phone (RFC 3261 section 8.2.6), and repeats them as long as they must be. */
export class AnswerSender {
  readonly #identity: PhoneIdentity
  readonly #send: (datagram: Buffer, to: Peer) => void
  readonly #book = new AnswerBook()

  constructor(identity: PhoneIdentity, send: (datagram: Buffer, to: Peer) => void) {
    this.#identity = identity
    this.#send = send
  }

  /** False for a repetition, whose last answer has then been sent again; the first hearing is noted. */
  isNew(request: SipRequest): boolean {
    const key = transactionKey(request)
    if (this.#book.heardBefore(key)) return false
    this.#book.note(key)
    return true
  }

  answer({ request, source }: Heard, answer: PhoneAnswer): void {
    this.#book.answer(transactionKey(request), this.#sender(request, source, answer))
  }

  /** Sends a final answer to an INVITE until its ACK is heard. */
  answerInvite({ request, source }: Heard, answer: PhoneAnswer): void {
    this.#book.answerUntilAcknowledged(transactionKey(request), ackKey(request), {
      send: this.#sender(request, source, answer),
      onLost: () => undefined,
    })
  }

  /** Takes an ACK; false when no answer waited for it. */
  acknowledged(ack: SipRequest): boolean {
    return this.#book.acknowledged(ackKey(ack))
  }

  /** Stops all repetitions. Safe to call twice. */
  close(): void {
    this.#book.close()
  }

  #sender(request: SipRequest, source: Peer, answer: PhoneAnswer): () => void {
    const to = headerOf(request, 'to') ?? ''
    const tagged = tagOf(to) !== undefined || answer.status === 100 ? to : `${to};tag=${answer.tag ?? token()}`
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
        ...ownHeaders(this.#identity),
        ...(answer.extra ?? []),
        ...(sdp === '' ? [] : [['content-type', 'application/sdp'] as const]),
      ],
      body: sdp,
    })
    const peer = responsePeer(request, source)
    return () => this.#send(bytes, peer)
  }
}

/** An ACK has the Call-ID and the number of the INVITE that it acknowledges, but a branch of its own after a 2xx. */
function ackKey(request: SipRequest): string {
  return `${headerOf(request, 'call-id') ?? ''} ${sequenceOf(request)?.number ?? 0}`
}
