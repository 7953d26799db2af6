import { setImmediate as turnOfLoop } from 'node:timers/promises'
import type { Logger } from '../kit/log.ts'
import type { RtpengineConfiguration } from '../wire/configuration.ts'
import { EngineProbe } from './engine-probe.ts'
import { RtpengineControl } from './rtpengine-control.ts'

/** How often each rtpengine is asked how long it has been up. */
const WATCH_EVERY_MS = 250
const WATCH_DEADLINE_MS = 300
/** So many unanswered questions in a row make a dead engine: at most 1.9 s, with the resends inside each. */
const SILENT_MAX = 3
const SWEEP_DEADLINE_MS = 2_000
/** The reply is one datagram of at most 64 KiB; an id takes about 50 bytes of it. */
const LIST_MAX = 1_000
/** Ten thousand calls, as many as a call directory holds. */
const SWEEP_ROUNDS_MAX = 10

/**
 * silent: it may still have its calls, but nobody can steer them. gone: its process is, and they with it. restarted: it
 * has only those of its new life.
 */
export type EngineLoss = 'silent' | 'gone' | 'restarted'

/** `lives` grows each time its calls were lost, so that a call that was being set up then can be told. */
export type Engine = {
  readonly name: string
  readonly control: RtpengineControl
  readonly isUp: boolean
  readonly lives: number
}

type Watched = {
  readonly name: string
  readonly control: RtpengineControl
  isUp: boolean
  lives: number
  silent: number
  uptimeS: number
  isSwept: boolean
  readonly whenLost: Set<() => void>
}

/**
 * The rtpengine instances. A dead one is left out for new calls and comes back by itself. One that was restarted has
 * forgotten its calls, which shows in its uptime.
 */
export class EnginePool {
  readonly #engines: Watched[] = []
  readonly #lost: (name: string, how: EngineLoss) => void
  readonly #logger: Logger
  readonly #prefix: string
  readonly #isPreferred: (name: string) => boolean
  readonly #probes: EngineProbe[] = []
  #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | null = null
  #next = 0
  #closed = false

  constructor(options: {
    readonly engines: readonly RtpengineConfiguration[]
    /** Call ids of this sbc begin with it; calls of an earlier life are deleted when an engine is first seen. */
    readonly callIdPrefix: string
    readonly lost: (name: string, how: EngineLoss) => void
    /** False for one that calls are better not placed on while there is another. */
    readonly isPreferred?: (name: string) => boolean
    readonly logger: Logger
  }) {
    this.#isPreferred = options.isPreferred ?? (() => true)
    this.#lost = options.lost
    this.#logger = options.logger
    this.#prefix = options.callIdPrefix
    this.add(options.engines)
  }

  /** Those that are not known yet; each is asked from the next round on. */
  add(engines: readonly RtpengineConfiguration[]): void {
    for (const { name, host, port } of engines) {
      if (this.find(name) !== null) continue
      const control = new RtpengineControl({ host, port, logger: this.#logger })
      const engine: Watched = {
        name,
        control,
        isUp: false,
        lives: 0,
        silent: 0,
        uptimeS: 0,
        isSwept: false,
        whenLost: new Set(),
      }
      this.#engines.push(engine)
      this.#probes.push(new EngineProbe({ host, port, gone: () => this.#gone(engine) }))
    }
  }

  /** Asks every engine once, so that the answer to `choose` is known, then goes on asking. */
  async start(): Promise<void> {
    await this.#watch()
    this.#again()
  }

  /** Engines that are up, in turn, preferred ones before others; null when none is. */
  choose(isPreferred: (name: string) => boolean = this.#isPreferred): Engine | null {
    const up = this.#engines.filter((engine) => engine.isUp)
    const preferred = up.filter((engine) => isPreferred(engine.name))
    const from = preferred.length > 0 ? preferred : up
    const engine = from[this.#next % Math.max(from.length, 1)]
    this.#next += 1
    return engine ?? null
  }

  /** As choose, but waits for an engine to come up when none is. */
  async chooseWithin(withinMs: number, isPreferred?: (name: string) => boolean): Promise<Engine | null> {
    const engine = this.choose(isPreferred)
    if (engine !== null || this.#closed || withinMs <= 0) return engine
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    return this.choose(isPreferred)
  }

  /** One engine by its name, up or not. */
  find(name: string): Engine | null {
    return this.#engines.find((engine) => engine.name === name) ?? null
  }

  /** Calls the action each time that the engine's calls are lost, until the value is called. */
  onLost(name: string, action: () => void): () => void {
    const whenLost = this.#engines.find((engine) => engine.name === name)?.whenLost
    whenLost?.add(action)
    return () => whenLost?.delete(action)
  }

  get upCount(): number {
    return this.#engines.filter((engine) => engine.isUp).length
  }

  close(): void {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const probe of this.#probes) probe.close()
    for (const engine of this.#engines) engine.control.close()
    this.#wake()
  }

  #again(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      void this.#watch().finally(() => this.#again())
    }, WATCH_EVERY_MS)
  }

  async #watch(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => this.#watchOne(engine)))
  }

  async #watchOne(engine: Watched): Promise<void> {
    const askedMs = performance.now()
    const result = await engine.control.request('statistics', {}, { deadlineMs: WATCH_DEADLINE_MS })
    // This process may have stood still itself: then the deadline is over before the answer that lies here is read.
    if (result.kind === 'silent') await turnOfLoop()
    if (this.#closed) return
    if (result.kind !== 'ok') {
      if (engine.control.heardMs >= askedMs) engine.silent = 0
      else engine.silent += 1
      if (engine.silent >= SILENT_MAX && engine.isUp) {
        this.#logger.error(
          { instance: engine.name, code: 'rtpengine_silent' },
          'rtpengine does not answer; no new calls go there',
        )
        this.#down(engine, 'silent')
      }
      return
    }
    engine.silent = 0
    const uptimeS = readUptime(result.reply)
    const wasRestarted = engine.isUp && uptimeS < engine.uptimeS
    engine.uptimeS = uptimeS
    if (wasRestarted) {
      this.#logger.error(
        { instance: engine.name, code: 'rtpengine_restarted' },
        'rtpengine was restarted and has forgotten its calls',
      )
      this.#loseCalls(engine, 'restarted')
    }
    if (engine.isUp) return
    // Only before any new call is sent there: a later sweep could not tell an old call from a new one.
    if (!engine.isSwept) engine.isSwept = await this.#sweep(engine)
    if (!engine.isSwept) return
    engine.isUp = true
    this.#wake()
    this.#logger.info({ instance: engine.name }, 'rtpengine answers')
  }

  #gone(engine: Watched): void {
    if (!engine.isUp || this.#closed) return
    this.#logger.error({ instance: engine.name, code: 'rtpengine_gone' }, 'rtpengine has died; no new calls go there')
    this.#down(engine, 'gone')
  }

  #down(engine: Watched, how: EngineLoss): void {
    engine.isUp = false
    // When it comes back without having been restarted, it still has the calls that are given up now.
    engine.isSwept = false
    this.#loseCalls(engine, how)
  }

  #loseCalls(engine: Watched, how: EngineLoss): void {
    engine.lives += 1
    // Nobody will answer them, and calls wait for it.
    if (how !== 'restarted') engine.control.giveUp()
    this.#lost(engine.name, how)
    for (const action of [...engine.whenLost]) action()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /**
   * Ends the calls that an earlier life of this sbc left behind: nobody can close their windows any more. False when
   * that could not be finished.
   */
  async #sweep(engine: Watched): Promise<boolean> {
    for (let round = 0; round < SWEEP_ROUNDS_MAX; round += 1) {
      const listed = await engine.control.request('list', { limit: LIST_MAX }, { deadlineMs: SWEEP_DEADLINE_MS })
      if (listed.kind !== 'ok') return false
      const calls: unknown = listed.reply['calls']
      const ours = Array.isArray(calls)
        ? calls.filter((call): call is string => typeof call === 'string' && call.startsWith(this.#prefix))
        : []
      if (ours.length === 0) return true
      const results = await Promise.all(
        ours.map((callId) =>
          engine.control.request('delete', { 'call-id': callId, 'delete delay': 0 }, { deadlineMs: SWEEP_DEADLINE_MS }),
        ),
      )
      if (results.some((result) => result.kind === 'silent')) return false
      this.#logger.warn(
        { instance: engine.name, count: ours.length },
        'deleted calls that an earlier sbc left in rtpengine',
      )
    }
    return false
  }
}

/** Seconds; rtpengine gives it as text. */
export function readUptime(reply: Readonly<Record<string, unknown>>): number {
  const statistics = asRecord(reply['statistics'])
  const uptime = Number(asRecord(statistics['totalstatistics'])['uptime'])
  return Number.isFinite(uptime) ? uptime : 0
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}
