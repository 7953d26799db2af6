import { errorFields } from '../kit/log.ts'
import type { CallCore } from './call-core.ts'
import type { Leg } from './leg.ts'
import { otherParty, type Party } from './party.ts'
import { hideOrigin, holdsOther, readAudio, type AudioStream } from './sdp.ts'
import { passableStatus } from './sip-reason.ts'
import { refuse } from './refusal.ts'
import { reinvite, type SipRequest, type SipResponse } from './sip-server.ts'

/**
 * New descriptions in an answered call: re-INVITE and UPDATE of either party, and what the other party hears of them.
 * In a window they are answered here, and told to the other party only when the two are direct again.
 */
export class CallModify {
  readonly #core: CallCore
  /** The last description that each leg was sent. */
  readonly #shownTo = new WeakMap<Leg, string>()
  /** Parties that sent a new description inside a window, which the other side still has to hear of. */
  readonly #untold = new Set<Party>()
  #isBusy = false

  constructor(core: CallCore) {
    this.#core = core
  }

  /** The leg belongs to the call from now on. */
  adopt(leg: Leg): void {
    this.#shownTo.set(leg, leg.dialog.local.sdp)
  }

  /** A re-INVITE or UPDATE with a description: hold, another address, another codec. Never rejects. */
  async take(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    if (request.body === '' && this.#core.rule(`${leg.party}-offerless`) === 'here') {
      // An offerless re-INVITE is answered with what stands (RFC 3261 section 14.2).
      const body = this.#shownTo.get(leg) ?? ''
      response.send(200, { body, headers: { 'Content-Type': 'application/sdp' } })
      return
    }
    if (this.#isBusy) return refuse(response, this.#core.rule('change-crosses'))
    this.#isBusy = true
    try {
      await this.#core.exclusive(() => this.#modify(leg, request, response))
    } catch (error) {
      const { logger, callId } = this.#core
      logger.error({ callId, ...errorFields(error) }, 'a re-INVITE could not be handled')
      if (!response.finalResponseSent) response.send(500)
    } finally {
      this.#isBusy = false
    }
  }

  /** What a party changed inside a window is told to the other now that the two are direct again. */
  tellLate(): void {
    if (this.#untold.size > 0) void this.#core.exclusive(() => this.#tellOther())
  }

  /** Shows a leg a description that no party asked for: where its media is now. */
  offer(leg: Leg, sdp: string): ReturnType<typeof reinvite> {
    return this.#reinvite(leg, sdp)
  }

  async #modify(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const core = this.#core
    if (core.hasEnded()) {
      response.send(481)
      return
    }
    const change = changeOf(core.media.audioOf(leg.party), readAudio(request.body))
    if (change === null) return refuse(response, '488')
    const rule = core.rule(`${leg.party}-${change}`)
    if (rule === 'later') {
      const answer = await core.media.reofferInWindow(leg.party, request.body)
      if (answer.kind === 'ok') this.#untold.add(leg.party)
      this.#answer(leg, response, answer.kind === 'ok' ? answer.value : null)
      if (answer.kind === 'failed' && answer.code === 'gone') core.end('media_lost')
      core.changed()
      return
    }
    const other = core.leg(otherParty(leg.party))
    const before = core.media.sdpOf(leg.party)
    const offered = await core.media.offer(leg.party, request.body, { live: true })
    if (offered.kind === 'failed') {
      response.send(offered.code === 'unusable' ? 488 : 500)
      if (offered.code === 'gone') core.end('media_lost')
      return
    }
    const answered = await this.#reinvite(other, offered.value)
    if (core.hasEnded()) {
      response.send(481)
      return
    }
    if (answered.kind === 'rejected') {
      // The other side keeps what it had, so the media goes back to it too; before the refusal, after which the next
      // change may come at once.
      if (core.rule('change-rejected') === 'put-back') {
        await core.media.offer(leg.party, before, { live: true })
        await core.media.answer(leg.party, core.media.sdpOf(other.party), { live: true })
      }
      response.send(passableStatus(answered.status))
      // The other side knows of no such dialog any more (RFC 3261 section 12.2.1.2).
      if (answered.status === 408 || answered.status === 481) core.end('party_hung_up', other.party)
      return
    }
    const answer = await core.media.answer(leg.party, answered.sdp, { live: true })
    this.#answer(leg, response, answer.kind === 'ok' ? answer.value : null)
    if (answer.kind === 'failed' && answer.code === 'gone') core.end('media_lost')
    core.changed()
  }

  #answer(leg: Leg, response: SipResponse, sdp: string | null): void {
    const body = sdp === null ? null : shown(leg, sdp)
    if (body === null) {
      response.send(500)
      return
    }
    this.#shownTo.set(leg, body)
    response.send(200, { body, headers: { 'Content-Type': 'application/sdp' } })
  }

  async #reinvite(leg: Leg, sdp: string): ReturnType<typeof reinvite> {
    const body = shown(leg, sdp)
    if (body === null) return { kind: 'rejected', status: 500 }
    const answered = await reinvite(leg.dialog, body)
    if (answered.kind === 'ok') this.#shownTo.set(leg, body)
    return answered
  }

  async #tellOther(): Promise<void> {
    const core = this.#core
    for (const party of [...this.#untold]) {
      this.#untold.delete(party)
      const { media } = core
      if (core.hasEnded() || media.isGuarded) return
      const other = otherParty(party)
      const offered = await media.offer(party, media.sdpOf(party), { live: true })
      if (offered.kind === 'failed') continue
      const answered = await this.#reinvite(core.leg(other), offered.value)
      await media.answer(party, answered.kind === 'ok' ? answered.sdp : media.sdpOf(other), { live: true })
    }
  }
}

/** What a new description changes of the last one; null when it is none that can be used. */
export function changeOf(
  before: AudioStream | null,
  after: AudioStream | null,
): 'address' | 'hold' | 'resume' | 'codecs' | null {
  if (after === null) return null
  if (holdsOther(after)) return 'hold'
  if (before === null) return 'address'
  if (holdsOther(before)) return 'resume'
  const names = (audio: AudioStream): string => audio.codecs.map(({ name }) => name).join()
  return names(before) === names(after) ? 'address' : 'codecs'
}

/** The description as the leg is shown it: our origin, one version on. Null when it is none. */
function shown(leg: Leg, sdp: string): string | null {
  leg.origin.version += 1
  return hideOrigin(sdp, leg.origin)
}
