import type { ConfigurationProblem } from '../kit/configuration-file.ts'
import type { RoleName } from './role-name.ts'

/** Who loads a site's file: a role, or an operator, whose commands need the operator's certificate and no file of any role. */
export type Reader = RoleName | 'operator'

/** What checks say of a file that a key names and nobody finds. */
const NO_SUCH_FILE = 'there is no such file'

/** Who reads the files that stand under a key; under any other all do. The longest beginning that fits counts. */
const READERS: readonly (readonly [key: string, roles: readonly RoleName[]])[] = [
  ['sip.secretFile', ['sipd', 'sbc']],
  ['sip.tls', ['sipd']],
  ['trunks', ['sbc']],
  ['vault', ['vault']],
  ['audit', ['vault']],
  ['desk', ['desk']],
]

/**
 * False for a file that is missing and that this role never reads: on a machine or in a container of its own a role has its own files and
 * no others, such as no password of the database beside a guard, and none of the site's secrets on an operator's machine.
 */
export function concernsRole(role: Reader, { key, problem }: ConfigurationProblem): boolean {
  if (problem !== NO_SUCH_FILE) return true
  const readers = READERS.find(([beginning]) => key === beginning || new RegExp(`^${beginning}[.[]`).test(key))
  return readers === undefined || readers[1].some((reader) => reader === role)
}
