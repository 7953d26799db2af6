import { ChannelClient, type Answer } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import type { Logger } from '../kit/log.ts'
import type { GuardConfiguration } from '../wire/configuration.ts'
import { parseGuardToSbc, type GuardToSbc, type SbcToGuard } from '../wire/guard-protocol.ts'
import { GuardService, type ServiceState } from './guard-service.ts'

/** What a guard tells the owner of a window without being asked. */
export type WindowListener = {
  readonly told: (message: Extract<GuardToSbc, { readonly windowId: string }>) => void
  /** The connection to the guard is gone, or it came back without this window. */
  readonly lost: () => void
}

/** The connection to one guard, and the windows that this sbc has there. */
export class GuardLink {
  readonly name: string
  readonly rtpengine: string
  readonly #client: ChannelClient<SbcToGuard, GuardToSbc>
  readonly #listeners = new Map<string, WindowListener>()
  /** Windows of self-tests, which the guard takes beside those it has room for. */
  readonly #tests = new Set<string>()
  readonly #logger: Logger
  #windowsMax = 0

  constructor(options: {
    readonly guard: GuardConfiguration
    readonly identity: Identity
    /** What this sbc calls itself: it has the windows that it prepared under this name, and no others. */
    readonly owner: string
    readonly logger: Logger
  }) {
    const { guard, owner, logger } = options
    this.name = guard.name
    this.rtpengine = guard.rtpengine
    this.#logger = logger
    this.#client = new ChannelClient({
      host: guard.host,
      port: guard.port,
      identity: options.identity,
      peer: 'guard',
      parse: parseGuardToSbc,
      message: (message) => this.#take(message),
      opened: () => this.#client.send({ type: 'sbc.hello', owner }),
      closed: () => this.#lost(),
    })
  }

  /** Connected, and the guard has said how many windows it takes. */
  get hasRoom(): boolean {
    return this.#client.isOpen && this.#customers < this.#windowsMax
  }

  get isUp(): boolean {
    return this.#client.isOpen && this.#windowsMax > 0
  }

  /** No customer's window is here. */
  get isIdle(): boolean {
    return this.#customers === 0
  }

  /** How many windows of customers are here. */
  get windowCount(): number {
    return this.#customers
  }

  /** The window of this id will be a self-test's. */
  beginTest(windowId: string): void {
    this.#tests.add(windowId)
  }

  endTest(windowId: string): void {
    this.#tests.delete(windowId)
  }

  adopt(windowId: string, listener: WindowListener): void {
    this.#listeners.set(windowId, listener)
  }

  forget(windowId: string): void {
    this.#listeners.delete(windowId)
  }

  ask(message: SbcToGuard, options: { readonly deadlineMs: number }): Promise<Answer<GuardToSbc>> {
    return this.#client.request(message, options)
  }

  close(): void {
    this.#client.close()
  }

  get #customers(): number {
    return [...this.#listeners.keys()].filter((windowId) => !this.#tests.has(windowId)).length
  }

  #take(message: GuardToSbc): void {
    if (message.type === 'guard.hello') {
      this.#windowsMax = message.windowsMax
      this.#logger.info({ instance: this.name, count: message.windowsOpen.length }, 'guard connected')
      // Windows of an earlier life of this sbc: its calls in rtpengine were deleted at start, so nothing flows there.
      for (const windowId of message.windowsOpen) {
        if (!this.#listeners.has(windowId)) this.#client.send({ type: 'window.release', windowId })
      }
      return
    }
    if ('windowId' in message) this.#listeners.get(message.windowId)?.told(message)
  }

  #lost(): void {
    this.#windowsMax = 0
    const listeners = [...this.#listeners.values()]
    this.#listeners.clear()
    if (listeners.length > 0)
      this.#logger.error(
        { instance: this.name, count: listeners.length, code: 'guard_lost' },
        'a guard with open windows is gone',
      )
    for (const listener of listeners) listener.lost()
  }
}

/** What a payment window asks for guards. */
export type GuardChoice = {
  chooseAny(rtpengine: string): WindowGuard | null
  chooseWithin(rtpengine: string): Promise<WindowGuard | 'guard_unavailable' | 'out_of_service'>
}
/** What a payment window asks of one guard. */
export type WindowGuard = Pick<GuardLink, 'name' | 'adopt' | 'forget' | 'ask'>

/** Not longer than a desk waits for its order, with the proof after it. A self-test takes about four seconds. */
const TESTED_WITHIN_MS = 4_000

/** The guards beside each rtpengine. */
export class GuardPool {
  readonly #links: GuardLink[] = []
  readonly #linkOf: (guard: GuardConfiguration) => GuardLink
  readonly #service: GuardService

  constructor(options: {
    readonly guards: readonly GuardConfiguration[]
    readonly identity: Identity
    readonly owner: string
    readonly logger: Logger
    /** Which of them may take windows; all of them when left out. */
    readonly service?: GuardService
  }) {
    this.#service = options.service ?? new GuardService({ isTested: false })
    const { identity, owner, logger } = options
    this.#linkOf = (guard) => new GuardLink({ guard, identity, owner, logger })
    this.add(options.guards)
  }

  get links(): readonly GuardLink[] {
    return this.#links
  }

  /** Those that are not known yet. The value is the links to them. */
  add(guards: readonly GuardConfiguration[]): readonly GuardLink[] {
    const added = guards.filter(({ name }) => !this.#links.some((link) => link.name === name)).map(this.#linkOf)
    this.#links.push(...added)
    return added
  }

  /** A guard beside this rtpengine that is in service and takes one more window, or null. */
  choose(rtpengine: string): GuardLink | null {
    return this.#find(rtpengine, ['yes'])
  }

  /**
   * For a window that lost its guard: one that is not tested yet is better than none, for it masks hard. One that failed
   * its test is not.
   */
  chooseAny(rtpengine: string): GuardLink | null {
    return this.choose(rtpengine) ?? this.#find(rtpengine, ['not_yet'])
  }

  /** As choose, but waits for a self-test that may be under way. */
  async chooseWithin(rtpengine: string): Promise<GuardLink | 'guard_unavailable' | 'out_of_service'> {
    const untilMs = performance.now() + TESTED_WITHIN_MS
    for (;;) {
      const link = this.choose(rtpengine)
      if (link !== null) return link
      const leftMs = untilMs - performance.now()
      if (this.#find(rtpengine, ['not_yet']) === null || leftMs <= 0) break
      await this.#service.changed(leftMs)
    }
    return this.#find(rtpengine, ['no']) === null ? 'guard_unavailable' : 'out_of_service'
  }

  /** False when every guard beside this rtpengine is out of service: calls are better placed elsewhere. */
  mayMask(rtpengine: string): boolean {
    const beside = this.links.filter((link) => link.rtpengine === rtpengine)
    return beside.length === 0 || beside.some((link) => this.#service.stateOf(link.name) !== 'no')
  }

  get upCount(): number {
    return this.links.filter((link) => link.isUp).length
  }

  close(): void {
    for (const link of this.links) link.close()
  }

  #find(rtpengine: string, states: readonly ServiceState[]): GuardLink | null {
    const fits = (link: GuardLink) =>
      link.rtpengine === rtpengine && link.hasRoom && states.includes(this.#service.stateOf(link.name))
    // The one with the fewest windows: each guard has a core, and one that dies takes the fewest entries with it.
    return this.links.filter(fits).sort((one, other) => one.windowCount - other.windowCount)[0] ?? null
  }
}
