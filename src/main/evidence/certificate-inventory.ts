import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROLES } from '../../kit/identity.ts'
import type { Configuration } from '../../wire/configuration.ts'

/** A certificate of the site. Its file is told by name only; a key is never read, only looked at from outside. */
export type CertificateRow = {
  /** Who shows it, or whom it vouches for: `guard`, `authority`, `SIP over TLS`. */
  readonly role: string
  readonly file: string
  /** null: it could not be read, and `problem` says why. */
  readonly certificate: {
    readonly subject: string
    readonly names: string
    readonly issuer: string
    readonly notBefore: string
    readonly notAfter: string
    readonly daysLeft: number
    readonly key: string
    readonly sha256: string
    readonly selfSigned: boolean
  } | null
  readonly problem: string | null
  /** Permissions of the key's file in octal, and whether others than its owner can read it; null: no key here, or not to be seen. */
  readonly keyMode: string | null
}

type Place = { readonly role: string; readonly certificate: string; readonly key: string | null }

const DAY_MS = 86_400_000

/** All certificates that the configuration names, in the order of the roles. */
export function certificateInventory(configuration: Configuration, nowMs: number): readonly CertificateRow[] {
  return places(configuration).flatMap((place) => rows(place, nowMs))
}

function places({ certificates: { folder }, sip, desk, vault, audit }: Configuration): readonly Place[] {
  const authority = (role: string, certificate: string): Place => ({ role, certificate, key: null })
  const { postgresql } = vault
  const { syslog } = audit
  return [
    authority('authority of the processes', join(folder, 'ca.crt')),
    ...ROLES.map((role) => ({
      role: `process ${role}`,
      certificate: join(folder, `${role}.crt`),
      key: join(folder, `${role}.key`),
    })),
    ...(sip.tls === null ? [] : [{ role: 'SIP over TLS', certificate: sip.tls.certificate, key: sip.tls.key }]),
    ...(sip.tls?.authority == null ? [] : [authority('authority of SIP peers', sip.tls.authority)]),
    ...(desk.tls === null ? [] : [{ role: "agents' page", certificate: desk.tls.certificate, key: desk.tls.key }]),
    ...(postgresql?.tls == null ? [] : [authority('authority of the database', postgresql.tls.authority)]),
    ...(postgresql?.tls?.certificate == null
      ? []
      : [{ role: 'vault at the database', certificate: postgresql.tls.certificate, key: postgresql.tls.key }]),
    ...(syslog === null ? [] : [authority('authority of the log collector', syslog.authority)]),
    ...(syslog?.certificate == null
      ? []
      : [{ role: 'vault at the log collector', certificate: syslog.certificate, key: syslog.key }]),
  ]
}

function rows({ role, certificate: file, key }: Place, nowMs: number): readonly CertificateRow[] {
  const shared = { role, file: basename(file), keyMode: key === null ? null : modeOf(key) }
  try {
    const found = pems(readFileSync(file, 'utf8')).map((pem) => new X509Certificate(pem))
    if (found.length === 0) return [{ ...shared, certificate: null, problem: 'holds no certificate in PEM' }]
    // A chain: what follows the first is its issuer's.
    return found.map((one, index) => ({
      ...shared,
      role: index === 0 ? role : `${role}, ${index + 1}. in its file`,
      ...(index === 0 ? {} : { keyMode: null }),
      certificate: describe(one, nowMs),
      problem: null,
    }))
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unreadable'
    return [{ ...shared, certificate: null, problem: `cannot be read (${code})` }]
  }
}

function describe(one: X509Certificate, nowMs: number): CertificateRow['certificate'] {
  const { asymmetricKeyType, asymmetricKeyDetails } = one.publicKey
  const size = asymmetricKeyDetails?.modulusLength ?? asymmetricKeyDetails?.namedCurve ?? ''
  const line = (name: string): string => name.split('\n').join(', ')
  return {
    subject: line(one.subject),
    names: one.subjectAltName ?? '',
    issuer: line(one.issuer),
    notBefore: new Date(one.validFrom).toISOString(),
    notAfter: new Date(one.validTo).toISOString(),
    daysLeft: Math.floor((Date.parse(one.validTo) - nowMs) / DAY_MS),
    key: `${asymmetricKeyType ?? 'unknown'} ${size}`.trim(),
    sha256: one.fingerprint256.replaceAll(':', '').toLowerCase(),
    selfSigned: one.checkIssued(one),
  }
}

function pems(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

function modeOf(file: string): string | null {
  try {
    return (statSync(file).mode & 0o777).toString(8).padStart(4, '0')
  } catch {
    return null
  }
}
