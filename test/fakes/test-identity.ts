import type { Identity, Role } from '../../src/kit/identity.ts'
import { sharedIdentity } from './shared-certificates.ts'

/** The certificate of a role, from the authority that all tests share. */
export function testIdentity(role: Role): Promise<Identity> {
  return Promise.resolve(sharedIdentity(role))
}
