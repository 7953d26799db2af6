import { ChannelClient, type Answer } from '../kit/channel.ts'
import type { Identity } from '../kit/identity.ts'
import type { Logger } from '../kit/log.ts'
import type { GuardConfiguration } from '../wire/configuration.ts'
import { parseGuardToSbc, type GuardToSbc, type SbcToGuard } from '../wire/guard-protocol.ts'

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
  readonly #logger: Logger
  #windowsMax = 0

  constructor(options: { readonly guard: GuardConfiguration; readonly identity: Identity; readonly logger: Logger }) {
    const { guard, logger } = options
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
      closed: () => this.#lost(),
    })
  }

  /** Connected, and the guard has said how many windows it takes. */
  get hasRoom(): boolean {
    return this.#client.isOpen && this.#listeners.size < this.#windowsMax
  }

  get isUp(): boolean {
    return this.#client.isOpen && this.#windowsMax > 0
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

/** The guards beside each rtpengine. */
export class GuardPool {
  readonly #links: readonly GuardLink[]

  constructor(options: {
    readonly guards: readonly GuardConfiguration[]
    readonly identity: Identity
    readonly logger: Logger
  }) {
    this.#links = options.guards.map(
      (guard) => new GuardLink({ guard, identity: options.identity, logger: options.logger }),
    )
  }

  /** A guard beside this rtpengine that takes one more window, or null. */
  choose(rtpengine: string): GuardLink | null {
    return this.#links.find((link) => link.rtpengine === rtpengine && link.hasRoom) ?? null
  }

  get upCount(): number {
    return this.#links.filter((link) => link.isUp).length
  }

  close(): void {
    for (const link of this.#links) link.close()
  }
}
