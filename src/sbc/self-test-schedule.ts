import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import type { SelfTestResult } from '../wire/self-test-protocol.ts'
import type { EnginePool } from './engine-pool.ts'
import type { GuardLink } from './guard-link.ts'
import type { GuardService } from './guard-service.ts'
import type { SelfTestOutcome } from './self-test.ts'

/** How often a guard that works is tested again. */
const EVERY_MS = 3_600_000
/** How often it is looked whether a test is due. */
const LOOK_EVERY_MS = 200
/** After a failure: long enough for a process to be started again, and at most what an operator would wait. */
const RETRY_MS_MIN = 2_000
const RETRY_MS_MAX = 600_000
/** What is not a leak may be a busy machine: it is looked at again at once before a guard is taken out. */
const FAILURES_UNTIL_OUT = 2

export type SelfTestScheduleOptions = {
  readonly links: readonly GuardLink[]
  readonly engines: Pick<EnginePool, 'find'>
  readonly service: GuardService
  readonly run: (pair: PairToTest) => Promise<SelfTestOutcome>
  readonly logger: Logger
  readonly metrics: Metrics
  readonly nowMs: () => number
  readonly dateMs: () => number
  readonly everyMs?: number
  readonly retryMs?: number
}

type Engine = NonNullable<ReturnType<EnginePool['find']>>
export type PairToTest = { readonly guard: GuardLink; readonly engine: Engine['control'] }

type Watched = {
  readonly link: GuardLink
  running: Promise<SelfTestResult> | null
  failures: number
  dueMs: number
  /** Of the engine at the last test: another number means that it was started again. */
  lives: number
  last: SelfTestResult | null
}

/**
 * Tests each guard with its rtpengine: as soon as it is there, every hour while no customer's window is open on it, and
 * again and again after a failure. A pair that leaks is out of service at once, one that loses keys at the second time; it
 * comes back by itself when it passes. A test is never broken off: it takes no customer's place.
 */
export class SelfTestSchedule {
  readonly #options: SelfTestScheduleOptions
  readonly #watched: Watched[] = []
  readonly #tests: { inc(labels: { readonly code: SelfTestResult['code'] }): void }
  readonly #guards: { set(labels: { readonly state: 'in' | 'out' | 'untested' }, count: number): void }
  readonly #timer: NodeJS.Timeout
  #asked = false
  #closed = false

  constructor(options: SelfTestScheduleOptions) {
    this.#options = options
    const { metrics } = options
    this.#tests = metrics.counter('tonewall_selftest_total', 'Self-tests of a guard with its rtpengine', ['code'])
    this.#guards = metrics.gauge('tonewall_selftest_guards', 'Guards by whether they are in service', ['state'])
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS)
    this.add(options.links)
  }

  /** Guards that are new; they are tested as soon as they are there. */
  add(links: readonly GuardLink[]): void {
    for (const link of links) this.#watched.push({ link, running: null, failures: 0, dueMs: 0, lives: 0, last: null })
    this.#count()
  }

  /** Begins what is due. Called by itself. */
  look(): void {
    if (this.#closed) return
    for (const watched of this.#watched) if (this.#isDue(watched)) void this.#test(watched)
  }

  /** Tests one guard now, or all of them one after the other, also beside customers' windows. */
  async now(guard: string | null): Promise<readonly SelfTestResult[] | 'unknown_guard' | 'busy'> {
    const asked = this.#watched.filter(({ link }) => guard === null || link.name === guard)
    if (asked.length === 0 && guard !== null) return 'unknown_guard'
    if (this.#asked) return 'busy'
    this.#asked = true
    const results: SelfTestResult[] = []
    for (const watched of asked) results.push(await this.#test(watched))
    this.#asked = false
    return results
  }

  /** Safe to call twice. A test that runs ends by itself. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
  }

  #isDue(watched: Watched): boolean {
    const { link } = watched
    const { service, nowMs } = this.#options
    const engine = this.#engineOf(link)
    if (!link.isUp) {
      // The process behind it may be another one when it is back.
      if (service.stateOf(link.name) === 'yes') this.#put(watched, 'not_yet')
      if (watched.running === null) watched.dueMs = Math.min(watched.dueMs, nowMs())
      return false
    }
    if (engine === null || watched.running !== null) return false
    if (engine.lives !== watched.lives && watched.last !== null) watched.dueMs = nowMs()
    watched.lives = engine.lives
    return nowMs() >= watched.dueMs && (service.stateOf(link.name) !== 'yes' || link.isIdle)
  }

  /** The test that runs, or a new one. Never rejects. */
  #test(watched: Watched): Promise<SelfTestResult> {
    watched.running ??= this.#run(watched).finally(() => {
      watched.running = null
    })
    return watched.running
  }

  async #run(watched: Watched): Promise<SelfTestResult> {
    const { link } = watched
    const { nowMs, dateMs, logger, run, service } = this.#options
    const startedMs = nowMs()
    const engine = this.#engineOf(link)
    const lives = engine?.lives
    const outcome = link.isUp && engine !== null ? await run({ guard: link, engine: engine.control }) : null
    // What a test of a guard or an rtpengine that went away in it says is about its going away, unless it leaked.
    const isThere = link.isUp && (outcome?.code === 'leaked' || engine?.lives === lives)
    if (outcome !== null && isThere && !this.#closed) this.#judge(watched, outcome)
    const result: SelfTestResult = {
      guard: link.name,
      rtpengine: link.rtpengine,
      code: outcome === null || !isThere ? 'unreachable' : outcome.code,
      inService: link.isUp && service.stateOf(link.name) === 'yes',
      keysRead: outcome?.keysRead ?? 0,
      delayMs: outcome?.delayMs ?? null,
      durationMs: Math.round(nowMs() - startedMs),
      atMs: Math.round(dateMs()),
    }
    watched.last = result
    this.#tests.inc({ code: result.code })
    const fields = { instance: link.name, code: result.code, durationMs: result.durationMs }
    if (result.code === 'ok') logger.info(fields, 'self-test passed')
    else if (result.code !== 'unreachable') logger.error(fields, 'self-test failed')
    return result
  }

  #judge(watched: Watched, outcome: SelfTestOutcome): void {
    const { nowMs, everyMs = EVERY_MS, retryMs = RETRY_MS_MIN } = this.#options
    if (outcome.code === 'ok') {
      watched.failures = 0
      watched.dueMs = nowMs() + everyMs
      return this.#put(watched, 'yes')
    }
    watched.failures += 1
    const isOut = outcome.code === 'leaked' || watched.failures >= FAILURES_UNTIL_OUT
    watched.dueMs = isOut ? nowMs() + Math.min(retryMs * 2 ** (watched.failures - 1), RETRY_MS_MAX) : nowMs()
    if (isOut) this.#put(watched, 'no')
  }

  #put(watched: Watched, state: 'yes' | 'not_yet' | 'no'): void {
    const { service, logger } = this.#options
    const { name } = watched.link
    const before = service.stateOf(name)
    if (before === state) return
    service.set(name, state)
    this.#count()
    if (state === 'no')
      logger.error(
        { instance: name, code: 'out_of_service' },
        'the guard takes no new windows until it passes its self-test',
      )
    else if (before === 'no') logger.warn({ instance: name }, 'the guard is in service again')
  }

  #count(): void {
    const states = this.#watched.map(({ link }) => this.#options.service.stateOf(link.name))
    this.#guards.set({ state: 'in' }, states.filter((state) => state === 'yes').length)
    this.#guards.set({ state: 'out' }, states.filter((state) => state === 'no').length)
    this.#guards.set({ state: 'untested' }, states.filter((state) => state === 'not_yet').length)
  }

  #engineOf(link: GuardLink): Engine | null {
    const engine = this.#options.engines.find(link.rtpengine)
    return engine?.isUp === true ? engine : null
  }
}
