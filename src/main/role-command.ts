import { join, resolve } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import { INSTALLATION } from './configuration.ts'
import type { RoleName } from './role-name.ts'

/** What every role reads of the installation: its program, the packages, and the schema. Not run/, and no keys. */
const PROGRAM = ['src', 'node_modules', 'package.json', 'sbc-config/tonewall.schema.json']

export type RoleCommandOptions = {
  readonly role: RoleName
  readonly name: string
  readonly configurationFile: string
  readonly configuration: Configuration
}

/** The runtime's arguments for one role: the inspector stays shut, and what the role does not need is taken away. */
export function roleCommand(options: RoleCommandOptions): readonly string[] {
  return [
    '--disable-sigusr1',
    ...permissions(options),
    join(INSTALLATION, 'src/main.ts'),
    'run',
    options.role,
    '--config',
    resolve(options.configurationFile),
    '--name',
    options.name,
  ]
}

/**
 * Node's permission model: the network and the named files for reading; no writing, no programs, no threads, no native
 * code. So a guard has nowhere to leave a digit. The vault is the exception: it must fsync, which Node 26 refuses under
 * the permission model whatever is granted.
 */
function permissions(options: RoleCommandOptions): readonly string[] {
  const { role, configuration } = options
  if (role === 'vault') return []
  const { sip, desk, certificates } = configuration
  const own: Readonly<Record<Exclude<RoleName, 'vault'>, readonly string[]>> = {
    sipd: [sip.secretFile],
    sbc: [sip.secretFile],
    guard: [],
    desk: [
      ...desk.agents.map((agent) => agent.tokenFile),
      ...(desk.tls === null ? [] : [desk.tls.certificate, desk.tls.key]),
    ],
  }
  const files = [
    ...PROGRAM.map((name) => join(INSTALLATION, name)),
    resolve(options.configurationFile),
    ...['ca.crt', `${role}.crt`, `${role}.key`].map((name) => join(certificates.folder, name)),
    // What prom-client counts: memory and open files of the process itself.
    '/proc/self',
    ...own[role],
  ]
  return [
    '--permission',
    '--allow-net',
    ...files.map((file) => `--allow-fs-read=${file}`),
    // The network part of the model is new: its notice would stand at the head of every log.
    '--disable-warning=ExperimentalWarning',
  ]
}
