import assert from 'node:assert/strict'
import type { TrunkMedia } from '../wire/configuration.ts'
import type { Address } from '../wire/guard-protocol.ts'
import { CallLegs } from './call-legs.ts'
import { EngineCall } from './engine-call.ts'
import { guardDescription, mirrored, type GuardCodec } from './guard-description.ts'
import { LearntEndpoints } from './learnt-endpoints.ts'
import { heardLeg, readFacts, type MediaFacts, type MediaTags } from './media-facts.ts'
import { failureOf, readDescription, type MediaResult } from './media-reply.ts'
import { MediaSeat } from './media-seat.ts'
import { answerAcross, offerAcross } from './party-link.ts'
import { guardTag, otherParty, type Party } from './party.ts'
import type { NgCommand, NgRequest, NgResult, RtpengineControl } from './rtpengine-control.ts'
import { holdsOther, readAudio, voiceCodecs, type AudioStream, type Direction } from './sdp.ts'

/** A local rtpengine answers in milliseconds; a call set-up can wait this long for one that is busy. */
const SET_UP_DEADLINE_MS = 2_000
const WINDOW_DEADLINE_MS = 450

/** rtpengine takes the addresses in our descriptions, writes its own origin, and keeps its ports over re-offers. */
const SET_UP_FLAGS = ['trust address', 'port latching'] as const
/**
 * On every message of a live call also: without both, rtpengine 10.5 learns the endpoint of every leg again for some
 * seconds after any offer, and a third party that sends to the port could take the stream.
 */
const LIVE_FLAGS = [...SET_UP_FLAGS, 'strict source', 'asymmetric'] as const
/** On what a leg says that was not heard there yet: where it sends from is learnt, as at set-up, since it may be behind NAT. */
const UNHEARD_FLAGS = SET_UP_FLAGS

/**
 * One call in one rtpengine. It is set up between the two parties; openGuard puts the guard between them and
 * closeGuard takes it out, both without a port or a SIP message that a party would see.
 *
 *     clear    payer ── agent
 *     window   payer ── guard-payer │ guard │ guard-agent ── agent
 */
export class MediaSession {
  readonly #call: EngineCall
  /** The last description each party sent, the fact that everything else is derived from. */
  readonly #sdp: { payer: string; agent: string } = { payer: '', agent: '' }
  /** rtpengine's port as each party was told it; another port in a reply means that the call was lost and made anew. */
  readonly #portTold: { payer: number | null; agent: number | null } = { payer: null, agent: null }
  /** The name of each party's leg in rtpengine: the party's own, until another leg took its place. */
  readonly #tag: { payer: string; agent: string } = { payer: 'payer', agent: 'agent' }
  /** Legs that were replaced, and stand-ins of those that replaced them. */
  readonly #retired = new Set<string>()
  #seats = 0
  readonly #legs = new CallLegs()
  readonly #learnt = new LearntEndpoints()
  /** Whether the parties are connected by a relay while no guard is between. */
  #isRelayed = false
  #answerer: Party = 'agent'
  #guard: { readonly payer: Address; readonly agent: Address } | null = null
  /** The guard's law, fixed while a window is open: the guard was told it once. */
  #guardLaw: GuardCodec | null = null

  constructor(options: { readonly engine: Pick<RtpengineControl, 'request'>; readonly callId: string }) {
    this.#call = new EngineCall(options)
  }

  /** The media of the trunk that a party's next leg is on, before anything is offered to it or by it. */
  use(party: Party, media: TrunkMedia): void {
    this.#legs.use(party, media, this.#tag[party])
  }

  /** What the parties said to another rtpengine goes to this one, until carriedOver() is called. */
  carryOver(said: { readonly [Side in Party]: string }): void {
    this.#legs.carryOver(said)
  }

  carriedOver(): void {
    this.#legs.carriedOver()
  }

  /** The party that answered last. */
  get answerer(): Party {
    return this.#answerer
  }

  /** The last description that a party sent, '' before. */
  sdpOf(party: Party): string {
    return this.#sdp[party]
  }

  /** The last audio description of a party, or null before it sent one. */
  audioOf(party: Party): AudioStream | null {
    return readAudio(this.#sdp[party])
  }

  /** A party offers; the value is the offer for the other. After a failure the party's description is what it was. */
  async offer(from: Party, sdp: string, options: { readonly live: boolean }): Promise<MediaResult<string>> {
    if (!this.#legs.accepts(this.#tag[from], sdp)) return { kind: 'failed', code: 'unusable' }
    assert(this.#guard === null, 'an offer between the parties would take the guard out')
    if (options.live) await this.#followLearntEndpoints()
    const before = this.#sdp[from]
    this.#sdp[from] = this.#learnt.apply(this.#tag[from], sdp)
    const flags = options.live ? this.#flagsOf(from) : SET_UP_FLAGS
    const fields = { ...(options.live ? this.#transcoding(from) : {}), flags }
    const reply = await this.#offerAcross(from, fields, { ...options, deadlineMs: SET_UP_DEADLINE_MS })
    const told = this.#told(otherParty(from), reply, options.live)
    if (told.kind === 'failed') this.#sdp[from] = before
    return told
  }

  /** The other party answers an offer of `offerer`; the value is the answer for the offerer. */
  async answer(offerer: Party, sdp: string, options: { readonly live: boolean }): Promise<MediaResult<string>> {
    if (!this.#legs.accepts(this.#tag[otherParty(offerer)], sdp)) return { kind: 'failed', code: 'unusable' }
    assert(this.#guard === null, 'an answer between the parties would take the guard out')
    const answerer = otherParty(offerer)
    if (options.live) await this.#followLearntEndpoints()
    this.#answerer = answerer
    this.#sdp[answerer] = this.#learnt.apply(this.#tag[answerer], sdp)
    const flags = options.live ? this.#flagsOf(answerer) : SET_UP_FLAGS
    const reply = await this.#answerAcross(offerer, { flags }, { deadlineMs: SET_UP_DEADLINE_MS })
    return this.#told(offerer, reply, options.live)
  }

  /**
   * Puts the guard's two sockets between the parties. The value is where each side of the guard sends to. May be
   * repeated while open, with the same guard or another.
   */
  async openGuard(guard: {
    readonly payer: Address
    readonly agent: Address
  }): Promise<MediaResult<{ readonly payer: Address; readonly agent: Address }>> {
    await this.#followLearntEndpoints()
    const isAudible = (party: Party) => this.#legs.accepts(this.#tag[party], this.#sdp[party], { audioOnly: true })
    if (!isAudible('payer') || !isAudible('agent')) return { kind: 'failed', code: 'unusable' }
    this.#guardLaw = this.guardCodec
    this.#guard = guard
    const [payer, agent] = await Promise.all([
      this.#openSide('payer', guard.payer),
      this.#openSide('agent', guard.agent),
    ])
    if (payer.kind === 'failed') return payer
    if (agent.kind === 'failed') return agent
    const told = { 'guard-payer': payer.value, 'guard-agent': agent.value }
    const { 'guard-payer': near, 'guard-agent': far } = await this.#call.locate(told)
    return { kind: 'ok', value: { payer: near, agent: far } }
  }

  /**
   * A party sends a new description while the guard is between: hold, another address, another codec. The value is
   * the answer for that party. The other party is not told now, so that nothing takes the guard out.
   */
  async reofferInWindow(from: Party, sdp: string): Promise<MediaResult<string>> {
    if (!this.#legs.accepts(this.#tag[from], sdp, { audioOnly: true })) return { kind: 'failed', code: 'unusable' }
    const guard = this.#guard
    assert(guard !== null, 'no window')
    await this.#followLearntEndpoints()
    const before = this.#sdp[from]
    this.#sdp[from] = this.#learnt.apply(this.#tag[from], sdp)
    const told = await this.#reofferToGuard(from, guard[from])
    // The offer made the party's codecs those of the guard's side again; only a repeated open makes them G.711 for sure.
    // After a failure the party keeps what it had, so the open is repeated with that.
    if (told.kind === 'failed') this.#sdp[from] = before
    const reopened = await this.#openSide(from, guard[from])
    return reopened.kind === 'failed' ? reopened : told
  }

  /**
   * Connects the parties directly again. Call it only when the guard is drained and silent. After a failure it is not
   * known who hears whom: the offer alone may have taken the guard out, so repeat openGuard.
   */
  async closeGuard(): Promise<MediaResult<null>> {
    await this.#followLearntEndpoints()
    const within = { live: true, deadlineMs: WINDOW_DEADLINE_MS }
    const offer = { ...this.#transcoding('payer'), flags: this.#flagsOf('payer') }
    const offered = await this.#offerAcross('payer', offer, within)
    const first = this.#told('agent', offered, true)
    if (first.kind === 'failed') return first
    const answered = await this.#answerAcross('payer', { flags: this.#flagsOf('agent') }, within)
    const second = this.#told('payer', answered, true)
    if (second.kind === 'failed') return second
    this.#guard = null
    this.#guardLaw = null
    // On 10.5 the guard's tags stay subscribed, and what it still sends would reach both parties. A delete with a
    // to-tag would end the whole call.
    for (const tag of this.#isRelayed ? [] : ['guard-payer', 'guard-agent']) {
      await this.#send('delete', { 'from-tag': tag, 'delete delay': 0, flags: ['fast'] }, WINDOW_DEADLINE_MS)
    }
    return { kind: 'ok', value: null }
  }

  /** The law that the guard speaks: A-law when both legs do, so that nothing is transcoded; else mu-law. */
  get guardCodec(): GuardCodec {
    if (this.#guardLaw !== null) return this.#guardLaw
    return this.#spoken('payer') === 'PCMA' && this.#spoken('agent') === 'PCMA' ? 'PCMA' : 'PCMU'
  }

  /** Whether rtpengine transcodes between a leg and the guard, which then must not pass the leg's RTP headers on. */
  get isTranscodedInWindow(): boolean {
    return this.#spoken('payer') !== this.guardCodec || this.#spoken('agent') !== this.guardCodec
  }

  /** The codec that a leg sends: the answer's first, if the leg knows it, else the leg's own first. */
  #spoken(party: Party): string {
    const own = voiceCodecs(readAudio(this.#sdp[party]) ?? NO_AUDIO)
    const answered = voiceCodecs(readAudio(this.#sdp[this.#answerer]) ?? NO_AUDIO)[0]
    return (own.find((codec) => codec.name === answered?.name) ?? own[0])?.name ?? ''
  }

  get isGuarded(): boolean {
    return this.#guard !== null
  }

  async facts(): Promise<MediaResult<MediaFacts>> {
    const result = await this.#call.query()
    return result.kind === 'ok'
      ? { kind: 'ok', value: readFacts(result.reply, this.#tags) }
      : { kind: 'failed', code: failureOf(result) }
  }

  /** Ends the call in rtpengine; nothing can be done with the session after it. */
  async delete(): Promise<MediaResult<null>> {
    const deleted = await this.#call.delete()
    return deleted.kind === 'silent' ? { kind: 'failed', code: 'silent' } : { kind: 'ok', value: null }
  }

  /** Where rtpengine heard a party from, when that differs from what the party said: it sits behind NAT. */
  async #followLearntEndpoints(): Promise<void> {
    const result = await this.#call.query()
    // Without an answer, what is known already holds.
    if (result.kind !== 'ok') return
    for (const party of ['payer', 'agent'] as const) {
      const tag = this.#tag[party]
      this.#sdp[party] = this.#learnt.learn(tag, this.#sdp[party], heardLeg(result.reply, tag))
    }
  }

  /** For a message of a live call that holds a party's description. */
  #flagsOf(party: Party): readonly string[] {
    return this.#learnt.isUnheard(this.#tag[party], this.#sdp[party]) ? UNHEARD_FLAGS : LIVE_FLAGS
  }

  get #tags(): MediaTags {
    return { ...this.#tag, retired: this.#retired, relay: this.#isRelayed ? { guard: this.#guard } : null }
  }

  async #offerAcross(
    offerer: Party,
    fields: NgRequest,
    options: { readonly live: boolean; readonly deadlineMs: number },
  ): Promise<NgResult> {
    const sdp = this.#sdp[offerer]
    const tags = this.#tag
    this.#isRelayed = this.#legs.mustRelay({ from: tags[offerer], sdp, to: tags[otherParty(offerer)] })
    const message = { offerer, tags, sdp, fields, live: options.live, locateIn: this.#locateIn }
    return offerAcross((command, sent) => this.#send(command, sent, options.deadlineMs), message, this.#isRelayed)
  }

  async #answerAcross(offerer: Party, fields: NgRequest, options: { readonly deadlineMs: number }): Promise<NgResult> {
    const sdp = this.#sdp[otherParty(offerer)]
    const message = { offerer, tags: this.#tag, sdp, fields, live: true, locateIn: this.#locateIn }
    return answerAcross((command, sent) => this.#send(command, sent, options.deadlineMs), message, this.#isRelayed)
  }

  readonly #locateIn = (sdp: string, tag: string): Promise<string> => this.#call.locateIn(sdp, tag)

  /** A place for a leg that is to replace a party, in the clear or in a window. */
  newSeat(party: Party): MediaSeat {
    this.#seats += 1
    const [tag, standInTag] = [`${party}-${this.#seats}`, `stand-in-${this.#seats}`]
    this.#retired.add(standInTag)
    this.#legs.await(tag, standInTag)
    return new MediaSeat({
      tag,
      standInTag,
      across: () => this.#sdp[otherParty(party)],
      use: (media) => this.#legs.use(party, media, tag),
      isHeldByReplaced: () => holdsOther(readAudio(this.#sdp[party]) ?? NO_AUDIO),
      send: async (command, fields) => {
        // Where the parties are heard from is sure before this, and for some seconds not after it.
        if (command === 'offer') await this.#followLearntEndpoints()
        return this.#send(command, { ...fields, flags: fields['flags'] ?? SET_UP_FLAGS }, SET_UP_DEADLINE_MS)
      },
      read: (result) => readDescription(result),
      sit: (leg) => this.#sit(party, leg),
    })
  }

  async #sit(
    party: Party,
    leg: { readonly tag: string; readonly sdp: string; readonly port: number | null },
  ): Promise<MediaResult<null>> {
    const before = { tag: this.#tag[party], sdp: this.#sdp[party], port: this.#portTold[party] }
    const put = (sitting: typeof before): Promise<MediaResult<null>> => {
      this.#tag[party] = sitting.tag
      this.#sdp[party] = sitting.sdp
      this.#portTold[party] = sitting.port
      return this.#connect(party)
    }
    const seated = await put({ ...leg })
    if (seated.kind === 'failed') {
      await put(before)
      return seated
    }
    this.#retired.add(before.tag)
    await this.#send('delete', { 'from-tag': before.tag, 'delete delay': 0, flags: ['fast'] }, WINDOW_DEADLINE_MS)
    return seated
  }

  /** Connects a party that is new to the call: with the guard while it is between, else with the other party. */
  async #connect(party: Party): Promise<MediaResult<null>> {
    if (this.#guard !== null) {
      const opened = await this.#openSide(party, this.#guard[party])
      return opened.kind === 'ok' ? { kind: 'ok', value: null } : opened
    }
    const offered = await this.offer(party, this.#sdp[party], { live: true })
    if (offered.kind === 'failed') return offered
    const answered = await this.answer(party, this.#sdp[otherParty(party)], { live: true })
    return answered.kind === 'ok' ? { kind: 'ok', value: null } : answered
  }

  async #reofferToGuard(from: Party, guard: Address): Promise<MediaResult<string>> {
    const sdp = this.#sdp[from]
    const tag = guardTag(from)
    const offered = await this.#send(
      'offer',
      {
        'from-tag': this.#tag[from],
        'to-tag': tag,
        sdp,
        codec: { accept: [this.guardCodec] },
        flags: this.#flagsOf(from),
      },
      WINDOW_DEADLINE_MS,
    )
    if (offered.kind !== 'ok') return { kind: 'failed', code: failureOf(offered) }
    const answered = await this.#send(
      'answer',
      {
        'from-tag': this.#tag[from],
        'to-tag': tag,
        sdp: this.#guardSdp(guard, sdp, mirrored(readAudio(sdp))),
        flags: LIVE_FLAGS,
      },
      WINDOW_DEADLINE_MS,
    )
    return this.#told(from, answered, true)
  }

  async #openSide(party: Party, guard: Address): Promise<MediaResult<Address>> {
    const tag = guardTag(party)
    const sdp = this.#guardSdp(guard, this.#sdp[party])
    const offered = await this.#send(
      'offer',
      { 'from-tag': tag, 'to-tag': this.#tag[party], sdp, codec: { accept: [this.guardCodec] }, flags: LIVE_FLAGS },
      WINDOW_DEADLINE_MS,
    )
    const told = this.#told(party, offered, true)
    if (told.kind === 'failed') return told
    const answered = await this.#send(
      'answer',
      { 'from-tag': tag, 'to-tag': this.#tag[party], sdp: this.#sdp[party], flags: this.#flagsOf(party) },
      WINDOW_DEADLINE_MS,
    )
    const reply = readDescription(answered)
    if (reply.kind === 'failed') return reply
    const audio = readAudio(reply.value)
    if (audio === null || audio.port === 0) return { kind: 'failed', code: 'unusable' }
    return { kind: 'ok', value: { host: audio.host, port: audio.port } }
  }

  #guardSdp(guard: Address, partySdp: string, direction: Direction = 'sendrecv'): string {
    return guardDescription({ guard, law: this.guardCodec, across: partySdp, direction })
  }

  /** When the legs speak different codecs, rtpengine must be told again at every offer between them. */
  #transcoding(from: Party): NgRequest {
    const own = readAudio(this.#sdp[from])
    const other = readAudio(this.#sdp[otherParty(from)])
    const spoken = other === null ? undefined : voiceCodecs(other)[0]
    if (own === null || spoken === undefined || voiceCodecs(own).some((codec) => codec.name === spoken.name)) return {}
    return { codec: { transcode: [spoken.name] } }
  }

  /** A description that cannot be used is not sent; the reply is then as one without a description. */
  async #send(command: NgCommand, fields: NgRequest, deadlineMs: number): Promise<NgResult> {
    if (this.#call.isDeleted) return { kind: 'refused', unknownCall: true }
    if (command !== 'offer' && command !== 'answer') return this.#call.request(command, fields, deadlineMs)
    const sent = this.#legs.sent(command, fields)
    if (sent === null) return { kind: 'ok', reply: {} }
    return this.#legs.told(command, fields, await this.#call.request(command, sent, deadlineMs))
  }

  /** The description that `party` is to be told, once it is sure that rtpengine still has the same call. */
  #told(party: Party, result: NgResult, live: boolean): MediaResult<string> {
    const description = readDescription(result)
    if (description.kind === 'failed') return description
    const sdp = description.value
    const audio = readAudio(sdp) ?? NO_AUDIO
    const before = this.#portTold[party]
    if (live && before !== null && audio.port !== 0 && audio.port !== before) return { kind: 'failed', code: 'gone' }
    if (audio.port !== 0) this.#portTold[party] = audio.port
    return { kind: 'ok', value: sdp }
  }
}

const NO_AUDIO: AudioStream = { host: '0.0.0.0', port: 0, protocol: 'RTP/AVP', codecs: [], direction: 'inactive' }
