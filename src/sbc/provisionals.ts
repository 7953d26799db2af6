import { hideOrigin, readAudio } from './sdp.ts'
import type { Attempt } from './set-up-attempt.ts'
import type { SetUpEnding } from './set-up-ending.ts'
import { passableStatus, reasonOf } from './sip-reason.ts'
import type { SipMessage } from './sip-server.ts'

/** An INVITE that a proxy sends to more telephones than this has gone wrong; what the others describe is not kept. */
const FORKS_MAX = 32

/** Passes 18x on: with a description through rtpengine (early media), else as it is. In order, one at a time. */
export class Provisionals {
  readonly #attempt: Attempt
  readonly #end: SetUpEnding
  /** The caller offered nothing: it is told nothing either before the 200, which alone may offer (RFC 3261 section 13.2.1). */
  readonly #isLate: boolean
  #turn: Promise<unknown> = Promise.resolve()
  /** The description that the caller was answered with, or null while it was not. */
  answer: string | null = null
  /** The answer of each telephone that rings, by its To tag: a proxy may have sent the INVITE to several. */
  readonly #answers = new Map<string, string>()
  /** Whose answer stands in rtpengine. */
  #heard: string | null = null

  constructor(attempt: Attempt, end: SetUpEnding) {
    this.#attempt = attempt
    this.#end = end
    this.#isLate = attempt.request.body === ''
  }

  take(provisional: SipMessage & { readonly status: number }): void {
    if (provisional.status === 100) return
    this.#turn = this.#turn.then(() => this.#pass(provisional))
  }

  async done(): Promise<void> {
    await this.#turn
  }

  /**
   * The answer of whoever accepted: in the 200, or in a provisional response of the same telephone, which need not say it
   * again (RFC 3261 section 13.2.1). '' when there is none. `isHeard`: it is what rtpengine and the caller were told last.
   */
  answerIn(accepted: SipMessage | null): { readonly sdp: string; readonly isHeard: boolean } {
    const said = accepted?.body ?? ''
    if (said !== '') return { sdp: said, isHeard: false }
    const tag = toTagOf(accepted)
    return { sdp: this.#answers.get(tag) ?? this.#answers.get('') ?? '', isHeard: this.#heard === tag }
  }

  async #pass(provisional: SipMessage & { readonly status: number }): Promise<void> {
    const { place, response, callerOrigin } = this.#attempt
    const status = passableStatus(provisional.status)
    if (this.#end.isOver()) return
    if (provisional.body === '' || readAudio(provisional.body) === null) {
      response.send(status, reasonOf(status))
      return
    }
    const tag = toTagOf(provisional)
    if (this.#answers.has(tag) || this.#answers.size < FORKS_MAX) this.#answers.set(tag, provisional.body)
    // Who rings sends to an rtpengine that is gone, and is told of another one when it has answered.
    const answer = place.isMoved ? null : await place.answer(provisional.body, { live: this.answer !== null })
    this.#heard = answer?.kind === 'ok' && !this.#isLate ? tag : null
    const body = answer?.kind === 'ok' ? hideOrigin(answer.value, callerOrigin) : null
    if (this.#end.isOver()) return
    if (body === null || this.#isLate) {
      response.send(status, reasonOf(status))
      return
    }
    this.answer = body
    response.send(status, reasonOf(status), { body, headers: { 'Content-Type': 'application/sdp' } })
  }
}

/** '' when there is none, as before RFC 3261. */
function toTagOf(message: Pick<SipMessage, 'get'> | null): string {
  return /;\s*tag=([^;\s>]+)/i.exec(message?.get('To') ?? '')?.[1] ?? ''
}
