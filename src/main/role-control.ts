import { problemLine } from '../kit/configuration-file.ts'
import { errorFields, type LevelledLogger } from '../kit/log.ts'
import type { ReloadOutcome } from '../sbc/site-orders.ts'
import type { Configuration } from '../wire/configuration.ts'
import { loadConfiguration } from './configuration.ts'
import { compareConfigurations } from './configuration-change.ts'
import type { RoleName } from './role-name.ts'
import type { SupervisorLink } from './supervisor-link.ts'

/** The supervisor waits a little longer; without one, systemd does. */
const CLOSE_MS_MAX = 4_500

/** `addresses` are for people. */
export type RunningRole = {
  readonly addresses: readonly string[]
  /** Takes what of a configuration concerns it, all or nothing; else a line for people that says why not. */
  apply?(configuration: Configuration): Promise<string | null>
  close(): Promise<void>
}

/** Ends a role that runs, has it take another configuration, and answers for it: as its supervisor, or signals, say. */
export class RoleControl {
  readonly #role: RoleName
  readonly #link: SupervisorLink
  readonly #logger: LevelledLogger
  readonly #configurationFile: string
  #configuration: Configuration
  #running: RunningRole | null = null
  #isEnding = false

  constructor(options: {
    readonly role: RoleName
    readonly link: SupervisorLink
    readonly logger: LevelledLogger
    readonly configurationFile: string
    readonly configuration: Configuration
  }) {
    this.#role = options.role
    this.#link = options.link
    this.#logger = options.logger
    this.#configurationFile = options.configurationFile
    this.#configuration = options.configuration
  }

  /** From now on it obeys. */
  obey(running: RunningRole): void {
    this.#running = running
    this.#link.listen((message) => {
      switch (message.type) {
        case 'ping':
          void this.#link.tell({ type: 'pong' })
          return
        case 'close':
          return this.end()
        case 'apply':
          void this.#apply(message.configuration).then((problem) => this.#link.tell({ type: 'applied', problem }))
      }
    })
    const end = (): void => this.end()
    process.on('disconnect', end)
    process.on('SIGTERM', end)
    process.on('SIGINT', end)
    process.on('SIGHUP', () => {
      if (!this.#link.isThere) void this.reload(null)
    })
  }

  /** The sbc has no calls left: the site ends, or this process where it has no supervisor. */
  drained(): void {
    if (this.#link.isThere) void this.#link.tell({ type: 'drained' })
    else this.end()
  }

  /** What this process works by now. */
  get configuration(): Configuration {
    return this.#configuration
  }

  /** By the supervisor, for the whole site; without one, for this process. */
  async reload(file: string | null): Promise<ReloadOutcome> {
    if (this.#link.isThere) return this.#link.reload(file)
    const from = file ?? this.#configurationFile
    const outcome = await this.#reloadAlone(from)
    if (outcome.kind === 'refused')
      this.#logger.error(
        { code: 'configuration_refused', file: from },
        'nothing was changed: try tonewall check-config',
      )
    else this.#logger.info({ file: from, count: outcome.keys.length }, 'the configuration was taken')
    return outcome
  }

  /** Safe to call twice. */
  end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    setTimeout(() => process.exit(1), CLOSE_MS_MAX)
    const closed = this.#running?.close() ?? Promise.resolve()
    closed.then(
      () => process.exit(0),
      (error: unknown) => {
        this.#logger.error({ code: 'close_failed', ...errorFields(error) }, 'did not close in order')
        process.exit(1)
      },
    )
  }

  async #reloadAlone(file: string): Promise<ReloadOutcome> {
    const loaded = loadConfiguration(file, this.#role)
    if (loaded.kind === 'refused')
      return { kind: 'refused', texts: loaded.problems.map((problem) => problemLine(file, problem)) }
    const { keys, refused } = compareConfigurations(this.#configuration, loaded.configuration)
    if (refused.length > 0) return { kind: 'refused', texts: refused }
    const problem = await this.#apply(loaded.configuration)
    return problem === null ? { kind: 'reloaded', keys } : { kind: 'refused', texts: [problem] }
  }

  async #apply(configuration: Configuration): Promise<string | null> {
    const problem = await this.#running?.apply?.(configuration).catch((error: unknown) => {
      this.#logger.error({ code: 'apply_failed', ...errorFields(error) }, 'a configuration could not be taken')
      return 'it could not be taken: the log says more'
    })
    if (problem !== null && problem !== undefined) return problem
    this.#logger.setLevel(configuration.logLevel)
    this.#configuration = configuration
    return null
  }
}
