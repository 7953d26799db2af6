import { errorFields } from '../kit/log.ts'
import { hearAnswer } from './ack-answer.ts'
import type { CallCore } from './call-core.ts'
import type { Leg } from './leg.ts'
import type { LegDescriptions } from './leg-descriptions.ts'
import { otherParty, type Party } from './party.ts'
import { holdsOther, readAudio, voiceCodecs, withDirection, type AudioStream } from './sdp.ts'
import { passableStatus } from './sip-reason.ts'
import { turnsToFax } from './stream-choice.ts'
import { refuse } from './refusal.ts'
import type { SipRequest, SipResponse } from './sip-server.ts'

/**
 * New descriptions in an answered call: re-INVITE and UPDATE of either party, and what the other party hears of them.
 * In a window they are answered here, and told to the other party only when the two are direct again.
 */
export class CallModify {
  readonly #core: CallCore
  readonly #descriptions: LegDescriptions
  /** Parties whose description the other party still has to hear of: always, or if it changes anything for it. */
  readonly #untold = new Map<Party, 'always' | 'if-new'>()
  #isBusy = false

  constructor(core: CallCore, descriptions: LegDescriptions) {
    this.#core = core
    this.#descriptions = descriptions
  }

  /** A re-INVITE or UPDATE with a description: hold, another address, another codec. Never rejects. */
  async take(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    if (request.body === '' && this.#core.rule(`${leg.party}-offerless`) === 'here') {
      const body = this.#offerOf(leg)
      hearAnswer(leg.dialog, (sdp) => sdp !== '' && void this.takeAnswer(leg, sdp))
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

  /**
   * The leg's answer, in an ACK, to an offer in a 200 of ours. False when it is none that can be used, and what stood
   * stands. The other party is told if anything changes for it. Never rejects.
   */
  async takeAnswer(leg: Leg, sdp: string): Promise<boolean> {
    const core = this.#core
    const { media } = core
    const other = otherParty(leg.party)
    const taken = await core
      .exclusive(async () => {
        // Moved to another rtpengine meanwhile: the leg has answered a newer offer since.
        if (core.hasEnded() || core.media !== media) return true
        const said = { before: media.audioOf(leg.party), after: readAudio(sdp), other: media.audioOf(other) }
        const isTaken = media.isGuarded
          ? (await media.reofferInWindow(leg.party, sdp)).kind === 'ok'
          : (await media.offer(other, media.sdpOf(other), { live: true })).kind === 'ok' &&
            (await media.answer(other, sdp, { live: true })).kind === 'ok'
        if (isTaken && changesOther(said)) this.#untold.set(leg.party, 'always')
        return isTaken
      })
      .catch(() => false)
    if (taken && !core.media.isGuarded) this.tellLate()
    return taken
  }

  /** What a party changed inside a window is told to the other now that the two are direct again. */
  tellLate(): void {
    if (this.#untold.size > 0) void this.#core.exclusive(() => this.#tellOther())
  }

  /** The same for a leg that has taken a party's place, unless nothing changes for the other. */
  tellOfNewLeg(party: Party): void {
    if (!this.#untold.has(party)) this.#untold.set(party, 'if-new')
    if (!this.#core.media.isGuarded) this.tellLate()
  }

  async #modify(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const core = this.#core
    if (core.hasEnded()) {
      response.send(481)
      return
    }
    const after = readAudio(request.body)
    const change = turnsToFax(request.body) ? 'codecs' : changeOf(core.media.audioOf(leg.party), after)
    if (change === null) return refuse(response, '488')
    const rule = core.rule(`${leg.party}-${change}`)
    if (rule === 'later') {
      const answer = await core.media.reofferInWindow(leg.party, request.body)
      // Fax, and SRTP that the trunk does not ask for, are refused; the call and the window go on as they are.
      if (answer.kind === 'failed' && answer.code === 'unusable') return refuse(response, '488')
      if (answer.kind === 'ok') this.#untold.set(leg.party, 'always')
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
    const answered = await this.#descriptions.offer(other, offered.value)
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
    const body = sdp === null ? null : this.#descriptions.next(leg, sdp)
    if (body === null) {
      response.send(500)
      return
    }
    response.send(200, { body, headers: { 'Content-Type': 'application/sdp' } })
  }

  /**
   * The offer that answers an offerless re-INVITE: what stands (RFC 3261 section 14.2), in the direction that the other
   * party would have by itself, since the leg may want to end its own hold with it (RFC 6337 section 5.2.5).
   */
  #offerOf(leg: Leg): string {
    const { media } = this.#core
    const other = otherParty(leg.party)
    const last = this.#descriptions.last(leg)
    const said = media.audioOf(other)?.direction ?? 'sendrecv'
    const isAnswer = media.answerer === other || said === 'recvonly'
    const direction = media.isGuarded || isAnswer ? 'sendrecv' : said
    if ((readAudio(last)?.direction ?? direction) === direction) return last
    return this.#descriptions.next(leg, withDirection(last, direction)) ?? last
  }

  async #tellOther(): Promise<void> {
    const core = this.#core
    for (const [party, when] of [...this.#untold]) {
      const { media } = core
      // A window was opened meanwhile: when it is closed, they are told.
      if (core.hasEnded() || media.isGuarded) return
      this.#untold.delete(party)
      const other = otherParty(party)
      const offered = await media.offer(party, media.sdpOf(party), { live: true })
      if (offered.kind === 'failed') continue
      const isDue = when === 'always' || this.#descriptions.isNews(core.leg(other), offered.value)
      const answered = isDue ? await this.#descriptions.offer(core.leg(other), offered.value) : SAID_NOTHING
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

/** Whether an answer to what stood changes anything for the other party: a hold, or a codec that it sends is gone. */
function changesOther(descriptions: {
  readonly before: AudioStream | null
  readonly after: AudioStream | null
  readonly other: AudioStream | null
}): boolean {
  const { before, after, other } = descriptions
  if (after === null) return false
  const spoken = other === null ? undefined : voiceCodecs(other)[0]
  const isKnown = spoken === undefined || voiceCodecs(after).some(({ name }) => name === spoken.name)
  return !isKnown || holdsOther(after) !== (before !== null && holdsOther(before))
}

const SAID_NOTHING = { kind: 'rejected' } as const
