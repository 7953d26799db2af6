import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { RevocationList } from './revocation.ts'

/** One process role has one name in its certificate; a channel names the roles it accepts. */
export const ROLES = ['sipd', 'sbc', 'guard', 'vault', 'desk', 'operator'] as const
export type Role = (typeof ROLES)[number]

/** What a process proves itself with: PEM certificate, PEM key, and the PEM authority it trusts. */
export type Identity = {
  readonly role: Role
  readonly certificate: Buffer
  readonly key: Buffer
  readonly authority: Buffer
  /** Certificates that are not believed any more; none are checked when left out. */
  readonly revoked?: RevocationList
}

const ROLE_DOMAIN = '.tonewall.internal'

/** The DNS name in the subjectAltName of a role's certificate (RFC 6125). */
export function roleName(role: Role): string {
  return role + ROLE_DOMAIN
}

/**
 * Reads ca.crt, <role>.crt and <role>.key of a certificate folder, and the list of revoked ones if it has a file. Throws the system's error when one
 * is missing, and TypeError when the list is none.
 */
export function readIdentity(options: {
  readonly folder: string
  readonly role: Role
  readonly revoked?: string | null
}): Identity {
  const { folder, role, revoked } = options
  return {
    ...(revoked == null ? {} : { revoked: new RevocationList(revoked) }),
    role,
    certificate: readFileSync(join(folder, `${role}.crt`)),
    key: readFileSync(join(folder, `${role}.key`)),
    authority: readFileSync(join(folder, 'ca.crt')),
  }
}

/**
 * OpenSSL's SSL_OP_CLEANSE_PLAINTEXT (ssl.h, since 3.0), which Node does not name: what was received is overwritten in its buffers once it
 * is handed on. Else it stays in a buffer that is freed, until somebody else happens to be given that memory.
 */
const CLEANSE_PLAINTEXT = 2

/** How this identity speaks TLS 1.3, today: the list of revoked certificates may have changed since. */
export function secureContext(identity: Identity): SecureContextOptions {
  const { certificate, key, authority, revoked } = identity
  return {
    cert: certificate,
    key,
    ca: authority,
    minVersion: 'TLSv1.3',
    secureOptions: CLEANSE_PLAINTEXT,
    ...(revoked === undefined ? {} : { crl: revoked.pem }),
  }
}

/** Whether the peer's certificate was taken back since its handshake. */
export function isRevoked(socket: TLSSocket, identity: Identity): boolean {
  return identity.revoked?.isRevoked(socket.getPeerCertificate().serialNumber) === true
}

/** A client's own name comes before that of its role: one of many that may do the same. */
export function clientName(client: { readonly name: string; readonly role: string }): string {
  return client.name + '.' + client.role + ROLE_DOMAIN
}

/** The client that an authenticated peer proved to be, with the name it did so with; null when its certificate names none of these roles, or more than one name. */
export function peerClient<const ClientRole extends string>(
  socket: TLSSocket,
  roles: readonly ClientRole[],
): { readonly name: string; readonly role: ClientRole; readonly origin: string } | null {
  if (!socket.authorized) return null
  const [, name = '', role = ''] = CLIENT_NAME.exec(socket.getPeerCertificate().subjectaltname ?? '') ?? []
  const known = roles.find((one) => one === role)
  return known === undefined ? null : { name, role: known, origin: clientName({ name, role: known }) }
}

const CLIENT_NAME = /^DNS:([a-z][a-z0-9-]{0,39})\.([a-z]+)\.tonewall\.internal$/

/** The role that an authenticated peer proved, or null when its certificate names none or more than one. */
export function peerRole(socket: TLSSocket): Role | null {
  if (!socket.authorized) return null
  const names = socket.getPeerCertificate().subjectaltname
  return ROLES.find((role) => names === `DNS:${roleName(role)}`) ?? null
}
