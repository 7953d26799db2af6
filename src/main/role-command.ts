import { resolve } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import { INSTALLATION } from './configuration.ts'
import type { RoleName } from './role-name.ts'

/** The runtime's arguments for one role: the inspector stays shut, and then what the program itself is told. */
export function roleCommand(options: {
  readonly role: RoleName
  readonly name: string
  readonly configurationFile: string
  readonly configuration: Configuration
}): readonly string[] {
  return [
    '--disable-sigusr1',
    resolve(INSTALLATION, 'src/main.ts'),
    'run',
    options.role,
    '--config',
    resolve(options.configurationFile),
    '--name',
    options.name,
  ]
}
