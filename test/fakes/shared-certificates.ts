import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeDevelopmentAuthority } from '../../certs/development-authority.ts'
import { readIdentity, type Identity, type Role } from '../../src/kit/identity.ts'

const RUN = resolve(import.meta.dirname, '../../run')

/**
 * A folder of development certificates that all tests share: making one takes seconds. It is made aside and moved into
 * place whole, so that test files which run at the same time agree on it.
 */
export function sharedCertificates(): string {
  const folder = join(RUN, 'test-certificates')
  if (!existsSync(folder)) {
    mkdirSync(RUN, { recursive: true, mode: 0o700 })
    // Started by root, each process has a user of its own, who must get to its certificate.
    chmodSync(RUN, 0o711)
    const fresh = mkdtempSync(join(RUN, 'making-'))
    makeDevelopmentAuthority(fresh)
    try {
      renameSync(fresh, folder)
    } catch {
      // Another test file was quicker.
      rmSync(fresh, { recursive: true })
    }
  }
  makeDevelopmentAuthority(folder)
  return folder
}

export function sharedIdentity(role: Role): Identity {
  return readIdentity({ folder: sharedCertificates(), role })
}
