import type { Role } from '../../kit/identity.ts'
import type { VaultRequest } from '../vault-protocol.ts'

/** Who may ask what (PCI DSS 7.2.5: least privilege, denied unless named). The role is what the peer's certificate proved. */
const ALLOWED: { readonly [Type in VaultRequest['type']]: readonly Role[] } = {
  tokenize: ['guard'],
  authorize: ['guard'],
  report: ['guard'],
}

export function mayAsk(role: Role, type: VaultRequest['type']): boolean {
  return ALLOWED[type].includes(role)
}

/** The roles that may connect at all. */
export function rolesAllowed(): readonly Role[] {
  return [...new Set(Object.values(ALLOWED).flat())]
}
