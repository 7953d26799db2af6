import { hideOrigin, readAudio } from './sdp.ts'
import type { Attempt } from './set-up-attempt.ts'
import type { SetUpEnding } from './set-up-ending.ts'
import { passableStatus, reasonOf } from './sip-reason.ts'
import type { SipMessage } from './sip-server.ts'

/** Passes 18x on: with a description through rtpengine (early media), else as it is. In order, one at a time. */
export class Provisionals {
  readonly #attempt: Attempt
  readonly #end: SetUpEnding
  /** The caller offered nothing: it is told nothing either before the 200, which alone may offer (RFC 3261 section 13.2.1). */
  readonly #isLate: boolean
  #turn: Promise<unknown> = Promise.resolve()
  /** The description that the caller was answered with, or null while it was not. */
  answer: string | null = null
  /** The description that the callee answered with, when the caller was not told of it. */
  said = ''

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

  async #pass(provisional: SipMessage & { readonly status: number }): Promise<void> {
    const { media, caller, response, callerOrigin } = this.#attempt
    const status = passableStatus(provisional.status)
    if (this.#end.isOver()) return
    if (provisional.body === '' || readAudio(provisional.body) === null) {
      response.send(status, reasonOf(status))
      return
    }
    const answer = await media.answer(caller.party, provisional.body, { live: this.answer !== null })
    const body = answer.kind === 'ok' ? hideOrigin(answer.value, callerOrigin) : null
    if (this.#end.isOver()) return
    if (this.#isLate && answer.kind === 'ok') this.said = provisional.body
    if (body === null || this.#isLate) {
      response.send(status, reasonOf(status))
      return
    }
    this.answer = body
    response.send(status, reasonOf(status), { body, headers: { 'Content-Type': 'application/sdp' } })
  }
}
