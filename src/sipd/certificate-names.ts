import { isIP } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import { canonicalHost } from './local-address.ts'

/** Names of one certificate that are looked at; a carrier's has a handful. */
const NAMES_MAX = 200

/**
 * The SIP domains and addresses that a certificate names (RFC 5922 section 7.1): subjectAltName entries of type URI
 * with scheme sip and no user, DNS names, and IP addresses for peers that are configured by number. The common name
 * counts only when there is no subjectAltName at all. Lower case.
 */
export function certificateNames(certificate: Pick<PeerCertificate, 'subjectaltname' | 'subject'>): string[] {
  const listed = certificate.subjectaltname
  if (listed === undefined || listed === '') {
    const common: unknown = (certificate.subject as { readonly CN?: unknown } | undefined)?.CN
    return typeof common === 'string' ? [common.toLowerCase()] : []
  }
  const names: string[] = []
  // Node quotes an entry that holds a comma or a quote of its own; no name that we look for does, so such are skipped.
  for (const entry of listed.split(', ').slice(0, NAMES_MAX)) {
    const colon = entry.indexOf(':')
    const kind = entry.slice(0, colon)
    const value = entry.slice(colon + 1).toLowerCase()
    if (kind === 'DNS') names.push(value)
    else if (kind === 'IP Address') names.push(canonicalHost(value))
    else if (kind === 'URI' && /^sip:[a-z0-9.-]+$/.test(value)) names.push(value.slice(4))
  }
  return names
}

/**
 * True when the certificate names one of these. Wildcards match nothing (RFC 5922 section 7.2) unless `wildcards`, for
 * providers with a name for each customer: then `*.example.com` stands for one label more (RFC 6125 section 6.4.3).
 */
export function certificateServes(
  certificate: Pick<PeerCertificate, 'subjectaltname' | 'subject'>,
  names: readonly string[],
  options: { readonly wildcards: boolean } = { wildcards: false },
): boolean {
  const proven = new Set(certificateNames(certificate))
  return names.some((written) => {
    if (written.includes('*')) return false
    const name = withoutDot(canonicalHost(written))
    return proven.has(name) || (options.wildcards && isIP(name) === 0 && proven.has(wildcardOf(name)))
  })
}

/** `*.example.com` for a.example.com; the name itself when it has no label to spare. */
function wildcardOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 1 ? name : `*${name.slice(dot)}`
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
