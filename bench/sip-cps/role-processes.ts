import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ensureDevelopmentSecrets } from '../../src/main/development-secrets.ts'
import { pingRtpengine } from '../../src/main/ng-ping.ts'
import { ProcessLog } from '../../src/main/process-log.ts'
import { processPlans, type ProcessPlan } from '../../src/main/process-plan.ts'
import { roleCommand } from '../../src/main/role-command.ts'
import { WatchedProcess } from '../../src/main/watched-process.ts'
import type { Configuration } from '../../src/wire/configuration.ts'

const CLOSE_MS = 8_000
const PING_MS = 500

export type RoleProcessesOptions = {
  readonly configuration: Configuration
  readonly configurationFile: string
  readonly folder: string
  /** Which processes; all of the configuration when it is left out. */
  readonly only?: readonly string[]
  /** For copies that are looked into, by name; such a one runs without the permission model, so that it may write. */
  readonly nodeFlags?: Readonly<Record<string, readonly string[]>>
}

/** The processes of a configuration, as the supervisor starts them, but with their ids and Node's flags in our hands. */
export class RoleProcesses {
  readonly #running: { readonly plan: ProcessPlan; readonly process: WatchedProcess; readonly log: ProcessLog }[] = []

  static async start(options: RoleProcessesOptions): Promise<RoleProcesses> {
    const { configuration, only } = options
    ensureDevelopmentSecrets(configuration)
    mkdirSync(join(options.folder, 'log'), { recursive: true })
    const roles = new RoleProcesses()
    try {
      const plans = processPlans(configuration).filter(({ name }) => only?.includes(name) ?? true)
      for (const plan of plans.toSorted((one, other) => one.stage - other.stage)) await roles.#start(plan, options)
      return roles
    } catch (error) {
      await roles.close()
      throw error
    }
  }

  pidOf(name: string): number {
    const pid = this.#running.find(({ plan }) => plan.name === name)?.process.pid ?? null
    if (pid === null) throw new Error('a process of the site is gone')
    return pid
  }

  get names(): readonly string[] {
    return this.#running.map(({ plan }) => plan.name)
  }

  /** Calls first, media last. Safe to call twice. */
  async close(): Promise<void> {
    for (const { process, log } of this.#running.toSorted(
      (one, other) => one.plan.closeStage - other.plan.closeStage,
    )) {
      await process.close({ deadlineMs: CLOSE_MS })
      log.close()
    }
  }

  async #start(plan: ProcessPlan, options: RoleProcessesOptions): Promise<void> {
    const { configuration, configurationFile } = options
    const log = new ProcessLog({ file: join(options.folder, 'log', `${plan.name}.log`), line: () => undefined })
    const environment = { PATH: process.env['PATH'] ?? '', NODE_ENV: 'production' }
    const common = { environment, log, event: () => undefined }
    const rtpengine = configuration.rtpengines.find(({ name }) => name === plan.name)
    const watched =
      plan.program.kind === 'role'
        ? new WatchedProcess({
            ...common,
            command: process.execPath,
            arguments: withFlags(
              roleCommand({ role: plan.program.role, name: plan.name, configurationFile, configuration }),
              options.nodeFlags?.[plan.name],
            ),
            probe: null,
          })
        : new WatchedProcess({
            ...common,
            command: 'setpriv',
            arguments: ['--pdeathsig', 'KILL', 'rtpengine', ...plan.program.arguments],
            probe: async () => rtpengine !== undefined && (await pingRtpengine(rtpengine, { deadlineMs: PING_MS })),
          })
    this.#running.push({ plan, process: watched, log })
    const started = await watched.start()
    if (started.kind !== 'ready') throw new Error(`${plan.name} did not start`)
  }
}

function withFlags(command: readonly string[], flags: readonly string[] | undefined): readonly string[] {
  if (flags === undefined) return command
  return [...flags, ...command.filter((word) => word !== '--permission' && !word.startsWith('--allow-'))]
}
