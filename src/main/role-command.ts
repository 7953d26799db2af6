import { join, resolve } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import { INSTALLATION } from './configuration.ts'
import type { RoleName } from './role-name.ts'
import { roleNeeds } from './role-needs.ts'

/**
 * Each packet is held for the look-ahead, and so outlives the usual young generation: it was copied by every collection, which
 * stopped the audio for up to 120 ms. With 64 MiB delay at p99 fell from 47 to 109 ms beyond the look-ahead to 3 to 7 (bench
 * guard-load, 100 windows on one core of a busy machine); 32 MiB was not enough and 128 no better.
 */
const GUARD_HEAP = ['--min-semi-space-size=64', '--max-semi-space-size=64']

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
    ...(options.role === 'guard' ? GUARD_HEAP : []),
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
  const { role, configuration, configurationFile } = options
  if (role === 'vault') return []
  const { program, reads, writes } = roleNeeds(role, configuration, configurationFile)
  // /proc/self is what prom-client counts: memory and open files of the process itself.
  const files = [...program, ...reads, '/proc/self', ...writes]
  return [
    '--permission',
    '--allow-net',
    ...files.map((file) => `--allow-fs-read=${file}`),
    ...writes.map((folder) => `--allow-fs-write=${folder}`),
    // The network part of the model is new: its notice would stand at the head of every log.
    '--disable-warning=ExperimentalWarning',
  ]
}
