import { errorFields } from '../kit/log.ts'
import { AbortWait } from './abort-wait.ts'
import { answerInAck } from './ack-answer.ts'
import type { CallCore, CallMedia } from './call-core.ts'
import type { CallModify } from './call-modify.ts'
import type { CallRequests } from './call-requests.ts'
import type { Leg } from './leg.ts'
import { newOrigin, type LegDescriptions } from './leg-descriptions.ts'
import type { MediaSeat } from './media-seat.ts'
import { hangUp, type Offered } from './outgoing-leg.ts'
import { ReferReport } from './refer-report.ts'
import { readReferTo, type ReferTarget } from './refer-target.ts'
import { refuse } from './refusal.ts'
import { hearRequests, type SipDialog, type SipRequest, type SipResponse } from './sip-server.ts'
import type { ReplacingInvite, TransferPlaces } from './transfer-places.ts'
import type { Trunk } from './trunks.ts'

/** Nobody waits longer on hold for a telephone that rings. */
const RING_MS_MAX = 120_000
/** A transferor hangs up when it hears of success; one that does not is hung up on. */
const LEAVE_MS_MAX = 2_000

type Transfer = {
  readonly leg: Leg
  /** Where the seat is; when the call has been moved to another rtpengine, it is there no more. */
  readonly media: CallMedia
  readonly givenUp: AbortController
  hasLeft: boolean
}
/** A leg that may take a party's place, and its name as desks are shown it. */
type Newcomer = {
  readonly trunk: Trunk
  readonly dialog: SipDialog
  readonly origin: Leg['origin']
  readonly name: string
}

/**
 * Transfers of an answered call: a leg of one party is replaced by another, in the clear or in a window, by REFER (RFC
 * 3515, RFC 5589) or by INVITE with Replaces (RFC 3891). The other party hears nothing of it in SIP unless codecs, ports
 * or hold change for it. Until the new leg is seated the call is as it was, and so it stays when the transfer fails.
 */
export class CallTransfer {
  readonly #core: CallCore
  readonly #places: TransferPlaces
  readonly #modify: CallModify
  readonly #requests: CallRequests
  readonly #descriptions: LegDescriptions
  #current: Transfer | null = null
  readonly #referredBefore = new WeakSet<SipDialog>()
  /** Replaced legs that have not hung up yet. */
  readonly #leaving = new Map<Leg, NodeJS.Timeout>()

  constructor(
    core: CallCore,
    parts: {
      readonly places: TransferPlaces
      readonly modify: CallModify
      readonly requests: CallRequests
      readonly descriptions: LegDescriptions
    },
  ) {
    this.#core = core
    this.#places = parts.places
    this.#modify = parts.modify
    this.#requests = parts.requests
    this.#descriptions = parts.descriptions
  }

  get isBusy(): boolean {
    return this.#current !== null
  }

  /** Never rejects. */
  async refer(leg: Leg, request: SipRequest, response: SipResponse): Promise<void> {
    const rule = this.#core.rule(`${leg.party}-refer`)
    if (rule !== 'follow' && rule !== 'pass') return refuse(response, rule)
    if (leg.trunk.transfers === 'refuse') return refuse(response, '405')
    if (rule === 'pass') return this.#requests.passRefer(leg, request, response)
    const target = readReferTo(request.get('Refer-To'))
    if (target === null) return response.send(400, 'Bad Refer-To')
    if (this.#current !== null) return refuse(response, '491')
    const isWanted = !/^\s*false\b/i.test(request.get('Refer-Sub') ?? '')
    const sequence = Number(/^\s*(\d+)/.exec(request.get('CSeq') ?? '')?.[1] ?? 0)
    const id = this.#referredBefore.has(leg.dialog) ? sequence : null
    this.#referredBefore.add(leg.dialog)
    const report = new ReferReport({ dialog: leg.dialog, id, isWanted })
    response.send(202, isWanted ? {} : { headers: { 'Refer-Sub': 'false' } })
    void report.tell(100)
    await this.#during(leg, async (transfer) => {
      const status = await this.#follow(transfer, { target, report, referredBy: request.get('Referred-By') ?? null })
      // Not waited for: a transferor that has gone answers nothing for half a minute, and the next transfer would wait too.
      void report.tell(status)
      return status < 300
    })
  }

  /** Another telephone asks for a leg's place with an INVITE of its own. Never rejects. */
  async replace(leg: Leg, invite: ReplacingInvite): Promise<void> {
    const { response } = invite
    const rule = this.#core.rule(`${leg.party}-replaced`)
    if (rule !== 'follow') return refuse(response, rule)
    if (leg.trunk.transfers === 'refuse') return refuse(response, '603')
    if (this.#current !== null) return refuse(response, '491')
    await this.#during(leg, (transfer) => this.#takeIn(transfer, invite))
    if (!response.finalResponseSent) response.send(500)
  }

  /** Whether somebody hung up who is no longer, or not alone, what keeps the call alive. */
  survives(leg: Leg): boolean {
    const timer = this.#leaving.get(leg)
    if (timer !== undefined) {
      clearTimeout(timer)
      this.#leaving.delete(leg)
      return true
    }
    if (this.#current?.leg !== leg) return this.#core.leg(leg.party) !== leg
    this.#current.hasLeft = true
    return true
  }

  /** The call is over: what rings is cancelled, and legs that were replaced are hung up. Safe to call twice. */
  end(): void {
    this.#current?.givenUp.abort()
    for (const leg of [...this.#leaving.keys()]) this.#hangUpOn(leg)
  }

  async #during(leg: Leg, action: (transfer: Transfer) => Promise<boolean>): Promise<void> {
    const transfer: Transfer = { leg, media: this.#core.media, givenUp: new AbortController(), hasLeft: false }
    this.#current = transfer
    const ringing = setTimeout(() => transfer.givenUp.abort(), RING_MS_MAX)
    const { logger, callId } = this.#core
    const done = await action(transfer).catch((error: unknown) => {
      logger.error({ callId, ...errorFields(error) }, 'a transfer could not be carried out')
      return false
    })
    clearTimeout(ringing)
    this.#current = null
    const facts = { callId, trunk: leg.trunk.name }
    if (done) logger.info(facts, 'a party was replaced')
    else logger.info(facts, 'a transfer failed')
    // Nobody is left to give the call back to.
    if (!done && transfer.hasLeft) this.#core.end('party_hung_up', leg.party)
  }

  /** The status that the transferor is told. */
  async #follow(
    transfer: Transfer,
    asked: { readonly target: ReferTarget; readonly report: ReferReport; readonly referredBy: string | null },
  ): Promise<number> {
    const { target, report } = asked
    const { leg } = transfer
    const known = target.replaces === null ? null : this.#places.find(target.replaces.dialog, leg.trunk)
    if (known !== null) return known.call.giveAway(known.leg, (given, name) => this.#takeOver(transfer, given, name))
    const seat = transfer.media.newSeat(leg.party)
    const origin = newOrigin()
    const placed = await this.#places.place({
      target,
      from: leg.trunk,
      callingNumber: this.#core.from,
      referredBy: asked.referredBy,
      signal: transfer.givenUp.signal,
      offer: (trunk) => this.#offerOf(seat, { origin, trunk }),
      ringing: () => void report.tell(180),
    })
    if (placed.kind === 'rejected') {
      await seat.drop()
      return placed.status >= 300 ? placed.status : 503
    }
    const { dialog, trunk } = placed
    const answered = await seat.answered(placed.response?.body ?? '')
    const status =
      answered.kind === 'ok' ? await this.#sit(transfer, seat, { trunk, dialog, origin, name: placed.agent }) : 488
    if (status >= 300) {
      hangUp(dialog)
      await seat.drop()
    } else hearRequests(dialog)
    return status
  }

  async #takeIn(transfer: Transfer, invite: ReplacingInvite): Promise<boolean> {
    const { request, response, trunk } = invite
    const seat = transfer.media.newSeat(transfer.leg.party)
    const origin = newOrigin()
    const hasOffer = request.body !== ''
    const told = hasOffer ? await seat.offered(request.body, trunk.media) : await seat.offer(trunk.media)
    const sdp = told.kind === 'ok' ? this.#descriptions.next({ origin }, told.value) : null
    const dialog = sdp === null ? null : await this.#answer(transfer, invite, sdp)
    if (sdp === null) refuse(response, '488')
    // Without an offer of its own it was offered one in our 200 (RFC 3261 section 13.2.1).
    const isAgreed = dialog !== null && (hasOffer || (await this.#hearAnswer(transfer, { seat, dialog })))
    const status = isAgreed ? await this.#sit(transfer, seat, { trunk, dialog, origin, name: invite.agent }) : 488
    if (status >= 300) {
      if (dialog !== null) hangUp(dialog)
      await seat.drop()
    } else if (dialog !== null) hearRequests(dialog)
    return status < 300
  }

  async #hearAnswer(
    transfer: Transfer,
    { seat, dialog }: { readonly seat: MediaSeat; readonly dialog: SipDialog },
  ): Promise<boolean> {
    const answer = await answerInAck(dialog, transfer.givenUp.signal)
    return (await seat.answered(answer)).kind === 'ok'
  }

  /** The newcomer's dialog; null: it has cancelled, or the call is over meanwhile. */
  async #answer(transfer: Transfer, invite: ReplacingInvite, sdp: string): Promise<SipDialog | null> {
    const answering = this.#places.answer(invite, sdp)
    const over = new AbortWait(transfer.givenUp.signal, null)
    const dialog = await Promise.race([answering, over.happened])
    over.forget()
    if (dialog === null) void answering.then((late) => late !== null && hangUp(late))
    return dialog
  }

  /** A leg of another call of ours, which is under way to this one: it is offered its new place by re-INVITE. */
  async #takeOver(transfer: Transfer, given: Leg, name: string): Promise<number> {
    const before = given.dialog.local.sdp
    const seat = transfer.media.newSeat(transfer.leg.party)
    const offer = await seat.offer(given.trunk.media)
    const moved =
      offer.kind === 'ok'
        ? await this.#descriptions.offer(given, offer.value)
        : ({ kind: 'rejected', status: 500 } as const)
    if (moved.kind === 'rejected') {
      await seat.drop()
      return moved.status
    }
    const isAnswered = (await seat.answered(moved.sdp)).kind === 'ok'
    const status = isAnswered ? await this.#sit(transfer, seat, { ...given, name }) : 488
    if (status < 300) return status
    await seat.drop()
    // Its own call goes on where it was.
    await this.#descriptions.offer(given, before)
    return status
  }

  async #offerOf(seat: MediaSeat, leg: Pick<Leg, 'origin' | 'trunk'>): Promise<Offered> {
    const offer = await seat.offer(leg.trunk.media)
    const sdp = offer.kind === 'ok' ? this.#descriptions.next(leg, offer.value) : null
    return sdp === null ? { kind: 'failed', status: 503 } : { kind: 'ok', sdp }
  }

  /** 200, or why not: then everything is as it was. */
  async #sit(transfer: Transfer, seat: MediaSeat, newcomer: Newcomer): Promise<number> {
    const core = this.#core
    const { leg } = transfer
    const { trunk, dialog, origin, name } = newcomer
    const status = await core.exclusive(async () => {
      if (core.hasEnded() || transfer.givenUp.signal.aborted || !dialog.connected) return 487
      if (core.media !== transfer.media) return 500
      const rule = core.rule(`${leg.party}-seated`)
      if (rule !== 'seat' && rule !== 'seat-cancel' && rule !== 'seat-masked') return 603
      // Who did not order the window must not get what is typed into it.
      if (rule === 'seat-cancel') await core.window?.cancel()
      const seated = await seat.sit()
      if (core.hasEnded()) return 487
      if (seated.kind === 'failed') {
        if (seated.code === 'gone') core.end('media_lost')
        return 500
      }
      core.replace({ party: leg.party, trunk, dialog, origin }, name)
      return 200
    })
    if (status >= 300) return status
    this.#letLeave(leg)
    this.#modify.tellOfNewLeg(leg.party)
    return 200
  }

  /** A transferor that heard of success hangs up by itself (RFC 5589 section 6); else it is hung up on. */
  #letLeave(leg: Leg): void {
    if (!leg.dialog.connected) return
    const timer = setTimeout(() => this.#hangUpOn(leg), LEAVE_MS_MAX)
    this.#leaving.set(leg, timer)
  }

  #hangUpOn(leg: Leg): void {
    clearTimeout(this.#leaving.get(leg))
    this.#leaving.delete(leg)
    hangUp(leg.dialog)
  }
}
