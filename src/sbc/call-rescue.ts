import { setTimeout as delay } from 'node:timers/promises'
import { errorFields, type Logger } from '../kit/log.ts'
import type { EndReason } from './call-core.ts'
import type { Engine } from './engine-pool.ts'
import type { Leg } from './leg.ts'
import { MediaSession } from './media-session.ts'
import { otherParty, type Party } from './party.ts'
import type { PaymentWindow } from './payment-window.ts'
import type { RescueSlots } from './rescue-slots.ts'
import { readAudio, voiceCodecs } from './sdp.ts'
import type { reinvite } from './sip-server.ts'

/** Without an engine by then the call ends: with the time to notice, its parties hear of it within three seconds. */
const ENGINE_WITHIN_MS = 1_500
/** An engine that is chosen may be dead too, and not be known to be: hosts and power supplies fail as one. */
const ENGINE_TRIES = 4
/** Before the next one is asked; one that refused would refuse again at once. */
const ENGINE_AGAIN_MS = 50
/** A guard of a window's call: a supervisor starts one again within a second. Nobody is connected until then. */
const GUARD_WITHIN_MS = 2_000
/** A telephone answers a re-INVITE at once; one that does not is gone, and its call with it. */
const ANSWER_WITHIN_MS = 8_000
/**
 * When both sides offered at one time (RFC 3261 section 14.1): the one that did not make the Call-ID waits for less than
 * two seconds, the one that did for more.
 */
const GLARE_TRIES = 3
const GLARE_MS = 300
const GLARE_OWNER_MS = 2_200

/** What moving a call needs of the sbc. */
export type RescuePlaces = {
  /** An engine that is up, at best one that fits; null when none came up in time. */
  readonly engine: (withinMs: number, fits: (name: string) => boolean) => Promise<Engine | null>
  /** Whether a guard beside this rtpengine takes one more window. */
  readonly hasGuard: (rtpengine: string) => boolean
  readonly slots: RescueSlots
  /** Call ids in rtpengine begin with it. */
  readonly callIdPrefix: string
  readonly ended: (outcome: 'moved' | 'failed') => void
}

/** What moving a call needs of the call; each value is the one of the moment. */
export type RescuedCall = {
  readonly callId: string
  readonly logger: Logger
  readonly media: MediaSession
  readonly window: PaymentWindow | null
  leg(party: Party): Leg
  hasEnded(): boolean
  end(reason: EndReason, hungUp?: Party): void
  /** Shows a leg a description of ours, by re-INVITE. */
  offer(leg: Leg, sdp: string): ReturnType<typeof reinvite>
  /** The call is there from now on. */
  settle(media: MediaSession, rtpengine: string): void
  changed(): void
  exclusive<Value>(action: () => Promise<Value>): Promise<Value>
}

/** What each party is to be offered. */
type Offers = { readonly [Side in Party]: string }

/**
 * Moves a call whose rtpengine died: the descriptions that both parties sent last go to another rtpengine, or to the same
 * one after its restart, and both are re-INVITEd to its ports at the same time.
 *
 * No party knows a port there before its re-INVITE, so nothing can flow. When a window is open, a guard is put between the
 * parties before that, which masks everything until no key was heard for the cool-down; without a guard nobody is
 * re-INVITEd, and the call ends.
 */
export class CallRescue {
  readonly #call: RescuedCall
  readonly #places: RescuePlaces
  readonly #lost = new WeakSet<MediaSession>()
  #moves = 0
  /** The move that is made, and those that wait for their turn. */
  #underWay = 0

  constructor(call: RescuedCall, places: RescuePlaces) {
    this.#call = call
    this.#places = places
  }

  /** A change that a party wants now would cross ours. */
  get isMoving(): boolean {
    return this.#underWay > 0
  }

  /** rtpengine lost the call: it is moved, or ends. What was lost before, or left behind, is not lost again. */
  lose(media: MediaSession): void {
    const call = this.#call
    if (call.hasEnded() || media !== call.media || this.#lost.has(media)) return
    this.#lost.add(media)
    this.#underWay += 1
    call.window?.loseMedia()
    const lostMs = performance.now()
    void call
      .exclusive(() => this.#move(lostMs))
      .catch((error: unknown) => {
        call.logger.error({ callId: call.callId, ...errorFields(error) }, 'a call could not be moved')
        return false
      })
      .then((moved) => {
        this.#underWay -= 1
        // Where it was moved to is lost as well: the move that waits for its turn decides.
        if (call.hasEnded() || this.#underWay > 0) return
        if (moved) call.changed()
        else call.end('media_lost')
        this.#places.ended(moved ? 'moved' : 'failed')
      })
  }

  async #move(lostMs: number): Promise<boolean> {
    const call = this.#call
    const left = call.media
    const untilMs = performance.now() + ENGINE_WITHIN_MS
    const first = await this.#find(untilMs)
    // The telephones hang up meanwhile, or the old engine keeps what nobody can steer any more.
    void left.delete()
    if (first === null || call.hasEnded()) return false
    const giveBack = await this.#places.slots.take()
    try {
      const settled = await this.#settle(left, { first, untilMs })
      if (settled === null || this.#isOver()) return false
      const isLost = () => this.#isOver()
      if (this.#isMasked() && (await call.window?.maskMoved(GUARD_WITHIN_MS, isLost)) !== true) return false
      const told = await this.#tellBoth(settled.offers)
      if (told)
        call.logger.warn(
          { callId: call.callId, instance: settled.name, durationMs: Math.round(performance.now() - lostMs) },
          'the call was moved to another rtpengine',
        )
      return told
    } finally {
      giveBack()
    }
  }

  #find(untilMs: number): Promise<Engine | null> {
    const { engine, hasGuard } = this.#places
    return engine(untilMs - performance.now(), this.#isMasked() ? hasGuard : () => true)
  }

  /** The call has ended, or its new engine is lost too, so that another move waits for its turn. */
  #isOver(): boolean {
    return this.#call.hasEnded() || this.#underWay > 1
  }

  /** A window is open, so that the customer may be typing. Asked anew after each wait. */
  #isMasked(): boolean {
    return this.#call.window?.isClosed === false
  }

  /** The call in an engine that takes it, complete but known to nobody; what each party is to be offered there. */
  async #settle(
    left: MediaSession,
    { first, untilMs }: { readonly first: Engine; readonly untilMs: number },
  ): Promise<{ readonly name: string; readonly offers: Offers } | null> {
    let engine: Engine | null = first
    for (let tries = 1; engine !== null && !this.#call.hasEnded(); tries += 1) {
      const offers = await this.#settleIn(left, engine)
      if (offers !== null) return { name: engine.name, offers }
      if (tries >= ENGINE_TRIES) return null
      await delay(ENGINE_AGAIN_MS)
      engine = await this.#find(untilMs)
    }
    return null
  }

  async #settleIn(left: MediaSession, engine: Engine): Promise<Offers | null> {
    const call = this.#call
    this.#moves += 1
    const callId = [this.#places.callIdPrefix, call.callId, '-', this.#moves].join('')
    const media = new MediaSession({ engine: engine.control, callId })
    for (const party of ['payer', 'agent'] as const) media.use(party, call.leg(party).trunk.media)
    const { answerer } = left
    const offerer = otherParty(answerer)
    // Each of them offers once, so that each is told an offer and no answer; the last one to answer stays the same.
    const rounds = [answerer, offerer] as const
    const offers = { payer: '', agent: '' }
    const said = { payer: left.sdpOf('payer'), agent: left.sdpOf('agent') }
    media.carryOver(said)
    for (const from of rounds) {
      const to = otherParty(from)
      const live = from !== answerer
      const offered = await media.offer(from, said[from], { live })
      if (offered.kind === 'ok') said[to] = asAnswer(said[to], offered.value)
      const answered = offered.kind === 'ok' ? await media.answer(from, said[to], { live }) : offered
      if (offered.kind === 'failed' || answered.kind === 'failed') {
        void media.delete()
        return null
      }
      offers[to] = offered.value
    }
    if (call.hasEnded()) {
      void media.delete()
      return null
    }
    call.settle(media, engine.name)
    return offers
  }

  async #tellBoth(offers: Offers): Promise<boolean> {
    const call = this.#call
    const { media } = call
    const before = { payer: media.sdpOf('payer'), agent: media.sdpOf('agent') }
    const [payer, agent] = await Promise.all([this.#tell('payer', offers.payer), this.#tell('agent', offers.agent)])
    if (call.hasEnded() || payer === null || agent === null) return false
    media.carriedOver()
    const answers = { payer, agent }
    const changed = (['payer', 'agent'] as const).filter(
      (party) => differ(before[party], answers[party]) || hasKeys(answers[party]),
    )
    for (const party of media.isGuarded ? changed : []) await media.reofferInWindow(party, answers[party])
    if (changed.length === 0 || media.isGuarded) return true
    // Each party answered an offer of ours; so it is told to rtpengine, since keys depend on who offered them (RFC 4568).
    const { answerer } = media
    for (const from of [answerer, otherParty(answerer)]) {
      const offered = await media.offer(from, answers[from], { live: true })
      const answered = await media.answer(from, answers[otherParty(from)], { live: true })
      if (offered.kind === 'failed' || answered.kind === 'failed') return false
    }
    return true
  }

  /** The party's own description as it answers, or null when it takes none of ours. */
  async #tell(party: Party, sdp: string): Promise<string | null> {
    const call = this.#call
    const until = AbortSignal.timeout(ANSWER_WITHIN_MS)
    const late = new Promise<null>((resolve) => until.addEventListener('abort', () => resolve(null)))
    for (let tries = 0; tries < GLARE_TRIES && !call.hasEnded(); tries += 1) {
      const leg = call.leg(party)
      const answered = await Promise.race([call.offer(leg, sdp), late])
      if (answered?.kind === 'ok') return answered.sdp
      const status = answered?.status ?? 408
      call.logger.warn(
        { callId: call.callId, trunk: leg.trunk.name, status },
        'a re-INVITE to a new relay was not taken',
      )
      if (status !== 491) break
      await delay((leg.dialog.type === 'uac' ? GLARE_OWNER_MS : 0) + Math.random() * GLARE_MS)
    }
    return null
  }
}

/** Whether an answer says something that rtpengine was not told: another address, key, direction or codec. */
export function differ(known: string, said: string): boolean {
  return material(known) !== material(said)
}

/**
 * What a party is going to answer to an offer, as far as its last description says it: of its keys the one whose suite is
 * offered, by the offer's tag (RFC 4568 section 5.1.2). Without that rtpengine would take it for another one.
 */
export function asAnswer(sdp: string, offer: string): string {
  const offered = [...offer.matchAll(/^a=crypto:(\d+) (\S+) /gm)]
  let taken = false
  return sdp
    .split(/\r?\n/)
    .flatMap((line) => {
      const [, suite, rest] = /^a=crypto:\d+ (\S+) (.*)$/.exec(line) ?? []
      if (suite === undefined) return [line]
      const tag = offered.find(([, , name]) => name === suite)?.[1]
      if (taken || tag === undefined) return []
      taken = true
      return [`a=crypto:${tag} ${suite} ${rest ?? ''}`]
    })
    .join('\r\n')
}

/** SRTP by SDES (RFC 4568) or by DTLS (RFC 5763), or the passwords of ICE (RFC 8445). */
function hasKeys(sdp: string): boolean {
  return /^a=(crypto|fingerprint|ice-ufrag):/m.test(sdp)
}

function material(sdp: string): string {
  const audio = readAudio(sdp)
  const keys = sdp
    .split(/\r?\n/)
    .filter((line) => /^a=(crypto|fingerprint|setup|ice-ufrag|ice-pwd|candidate):/.test(line))
  if (audio === null) return ''
  const { host, port, protocol, direction } = audio
  const [voice] = voiceCodecs(audio)
  return [host, port, protocol, direction, voice?.name, voice?.payloadType, ...keys].join('\n')
}
