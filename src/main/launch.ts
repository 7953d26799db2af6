import { delimiter } from 'node:path'
import type { AccountName, Configuration } from '../wire/configuration.ts'
import { privileges, type Account } from './account.ts'
import { pingRtpengine } from './ng-ping.ts'
import type { ChosenAccounts } from './process-account.ts'
import type { ProcessPlan } from './process-plan.ts'
import { roleCommand } from './role-command.ts'
import type { WatchedProcessOptions } from './watched-process.ts'

const PING_MS_MAX = 500
/** What a child needs of our environment; all else, secrets included, stays here. */
const ENVIRONMENT_KEPT = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR']
/** Debian keeps rtpengine in /usr/bin, upstream's own packages in /usr/sbin, which a user's PATH may leave out. */
const PATH_ALSO = ['/usr/local/sbin', '/usr/sbin']
/** Below it a right is needed (ip(7), ip_unprivileged_port_start). */
const UNPRIVILEGED_PORT_MIN = 1_024

/** A configuration, and the file that it was read from. */
export type Basis = { readonly configuration: Configuration; readonly file: string }

/** How one process of a site is started: by whom, with what rights, and how it is known that it serves. */
export function launchOf(options: {
  readonly plan: ProcessPlan
  readonly accounts: ChosenAccounts
  /** Asked at each start. */
  readonly basis: () => Basis
}): Pick<WatchedProcessOptions, 'command' | 'arguments' | 'probe'> {
  const { plan, accounts, basis } = options
  const { name, program } = plan
  if (program.kind === 'role') {
    const low = plan.ports.some(({ port }) => port < UNPRIVILEGED_PORT_MIN)
    const [command = '', ...rights] = privileges(accountOf(accounts, program.role), low ? ['bind-low-ports'] : [])
    return {
      command,
      arguments: () => {
        const { configuration, file } = basis()
        const given = roleCommand({ role: program.role, name, configurationFile: file, configuration })
        return [...rights, process.execPath, ...given]
      },
      probe: null,
    }
  }
  const rtpengine = basis().configuration.rtpengines.find((own) => own.name === name)
  // The kernel kills it when the supervisor is gone, however that came about.
  const [command = '', ...rights] = privileges(accountOf(accounts, 'rtpengine'), ['die-with-parent'])
  return {
    command,
    arguments: [...rights, 'rtpengine', ...program.arguments],
    probe: () =>
      rtpengine === undefined ? Promise.resolve(false) : pingRtpengine(rtpengine, { deadlineMs: PING_MS_MAX }),
  }
}

/** What a process of a site is given of our environment. */
export function childEnvironment(): Readonly<Record<string, string>> {
  const kept = ENVIRONMENT_KEPT.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const path = [process.env['PATH'] ?? '', ...PATH_ALSO].filter((part) => part !== '').join(delimiter)
  return { ...Object.fromEntries(kept), PATH: path, NODE_ENV: 'production' }
}

/** null: as the supervisor itself. */
function accountOf(accounts: ChosenAccounts, name: AccountName): Account | null {
  return accounts.kind === 'separate' ? accounts.of[name] : null
}
