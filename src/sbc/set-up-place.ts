import type { Logger } from '../kit/log.ts'
import { asAnswer } from './call-rescue.ts'
import type { Engine, EnginePool } from './engine-pool.ts'
import { offerInPlace } from './late-offer.ts'
import { calledMedia } from './leg-media.ts'
import type { MediaResult } from './media-reply.ts'
import { MediaSession } from './media-session.ts'
import type { Trunk } from './trunks.ts'

/** As for a call that lives: without another engine by then its caller is told to go elsewhere. */
const ENGINE_WITHIN_MS = 1_500

/**
 * The rtpengine of a call that is being set up, and the call there. When that rtpengine is lost, another one takes its
 * place, without a word to anybody who was told of the first: an offer cannot be taken back before it is answered
 * (RFC 3264 section 4). Whoever answers is re-INVITEd after that. Until then nothing is heard of what rings.
 */
export class SetUpPlace {
  readonly #engines: Pick<EnginePool, 'chooseWithin' | 'onLost'>
  readonly #callId: string
  readonly #caller: Trunk
  readonly #body: string
  readonly #logger: Logger
  readonly #gone = new AbortController()
  #engine: Engine
  #lives: number
  #media: MediaSession
  #stopWatching: () => void = () => undefined
  #callee: Trunk | null = null
  #offered: MediaResult<string> = { kind: 'failed', code: 'gone' }
  #isTold = false
  /** Since somebody was told. */
  #moves = 0
  #sessions = 1
  #moving: Promise<void> | null = null
  #isLeft = false

  constructor(options: {
    readonly engines: Pick<EnginePool, 'chooseWithin' | 'onLost'>
    readonly engine: Engine
    /** The call id in rtpengine. */
    readonly callId: string
    readonly caller: Trunk
    /** The caller's offer, or '' when it made none. */
    readonly body: string
    readonly logger: Logger
  }) {
    this.#engines = options.engines
    this.#callId = options.callId
    this.#caller = options.caller
    this.#body = options.body
    this.#logger = options.logger
    this.#engine = options.engine
    this.#lives = options.engine.lives
    this.#media = this.#take(options.engine, options.callId)
  }

  get engine(): Engine {
    return this.#engine
  }

  get media(): MediaSession {
    return this.#media
  }

  /** Somebody was told of an rtpengine that does not have the call any more. */
  get isMoved(): boolean {
    return this.#moves > 0 || this.#engine.lives !== this.#lives
  }

  get isMoving(): boolean {
    return this.#moving !== null
  }

  /** Aborted when the rtpengine is lost and no other takes the call. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** The caller's description, for a callee on this trunk. */
  async offer(callee: Trunk): Promise<MediaResult<string>> {
    this.#callee = callee
    await this.#offerIn(this.#media, callee)
    await this.settled()
    this.#isTold = true
    return this.#offered
  }

  /** The callee's description, for the caller. */
  answer(sdp: string, options: { readonly live: boolean }): Promise<MediaResult<string>> {
    if (!this.isMoved) return this.#media.answer(this.#caller.party, sdp, options)
    // It answers the offer of another rtpengine, and is the first answer that this one hears.
    const fitting = this.#offered.kind === 'ok' ? asAnswer(sdp, this.#offered.value) : sdp
    return this.#media.answer(this.#caller.party, fitting, { live: false })
  }

  /** Resolves when no move is under way. */
  async settled(): Promise<void> {
    while (this.#moving !== null) await this.#moving
  }

  /** From here on a loss is for the call itself. */
  leave(): void {
    this.#isLeft = true
    this.#stopWatching()
  }

  /** There is no call: nothing is left of it in rtpengine. */
  async close(): Promise<void> {
    this.leave()
    await this.#media.delete()
  }

  #take(engine: Engine, callId: string): MediaSession {
    const media = new MediaSession({ engine: engine.control, callId })
    media.use(this.#caller.party, this.#caller.media)
    this.#engine = engine
    this.#lives = engine.lives
    this.#media = media
    this.#stopWatching = this.#engines.onLost(engine.name, () => this.#lost())
    return media
  }

  async #offerIn(media: MediaSession, callee: Trunk): Promise<void> {
    media.use(callee.party, calledMedia(callee))
    const offered =
      this.#body === ''
        ? await offerInPlace(media, this.#caller)
        : await media.offer(this.#caller.party, this.#body, { live: false })
    // An rtpengine that was left meanwhile says nothing that counts.
    if (media === this.#media) this.#offered = offered
  }

  /** A method, because it can change while something is waited for. */
  #isOver(): boolean {
    return this.#isLeft
  }

  #lost(): void {
    if (this.#isLeft) return
    this.#stopWatching()
    const moving = this.#move().finally(() => {
      if (this.#moving === moving) this.#moving = null
    })
    this.#moving = moving
  }

  async #move(): Promise<void> {
    if (this.#isTold) this.#moves += 1
    void this.#media.delete()
    const engine = await this.#engines.chooseWithin(ENGINE_WITHIN_MS)
    if (this.#isOver()) return
    if (engine === null) return this.#gone.abort()
    this.#sessions += 1
    const media = this.#take(engine, [this.#callId, '-early-', this.#sessions].join(''))
    if (this.#callee === null) return
    await this.#offerIn(media, this.#callee)
    // Lost again: the next move is under way.
    if (media !== this.#media || this.#isOver() || engine.lives !== this.#lives) return
    if (this.#offered.kind === 'failed') return this.#gone.abort()
    this.#logger.warn({ instance: engine.name }, 'a call that is not answered yet goes on in another rtpengine')
  }
}
