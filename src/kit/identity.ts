import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'

/** One process role has one name in its certificate; a channel names the roles it accepts. */
export const ROLES = ['sipd', 'sbc', 'guard', 'vault', 'desk', 'operator'] as const
export type Role = (typeof ROLES)[number]

/** What a process proves itself with: PEM certificate, PEM key, and the PEM authority it trusts. */
export type Identity = {
  readonly role: Role
  readonly certificate: Buffer
  readonly key: Buffer
  readonly authority: Buffer
}

const ROLE_DOMAIN = '.tonewall.internal'

/** The DNS name in the subjectAltName of a role's certificate (RFC 6125). */
export function roleName(role: Role): string {
  return role + ROLE_DOMAIN
}

/** Reads ca.crt, <role>.crt and <role>.key of a certificate folder. Throws the system's error when one is missing. */
export function readIdentity(options: { readonly folder: string; readonly role: Role }): Identity {
  const { folder, role } = options
  return {
    role,
    certificate: readFileSync(join(folder, `${role}.crt`)),
    key: readFileSync(join(folder, `${role}.key`)),
    authority: readFileSync(join(folder, 'ca.crt')),
  }
}

/** The role that an authenticated peer proved, or null when its certificate names none or more than one. */
export function peerRole(socket: TLSSocket): Role | null {
  if (!socket.authorized) return null
  const names = socket.getPeerCertificate().subjectaltname
  return ROLES.find((role) => names === `DNS:${roleName(role)}`) ?? null
}
