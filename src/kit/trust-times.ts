import { X509Certificate } from 'node:crypto'
import type { Metrics } from './metrics.ts'
import type { RevocationList } from './revocation.ts'

/** A process's own certificate, the authority of all of them, and what SIP peers and browsers are shown. */
export type TrustedCertificate = 'process' | 'authority' | 'sip' | 'desk'
/** As the configuration names them: certificates.revoked and sip.tls.revoked. */
export type TrustedList = 'certificates' | 'sip'

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * Until when what a process proves itself with, and whom it believes by, is good: in Unix time, so that an alert can come in time. What is in
 * use counts, not what lies in the file.
 */
export class TrustTimes {
  readonly #certificates = new Map<TrustedCertificate, number>()
  readonly #lists = new Map<TrustedList, RevocationList>()

  constructor(metrics: Metrics) {
    metrics.snapshot(
      'tonewall_certificate_end_timestamp_seconds',
      'When a certificate in use ends (notAfter)',
      ['certificate'],
      () => [...this.#certificates].map(([certificate, endMs]) => ({ labels: { certificate }, count: endMs / 1_000 })),
    )
    metrics.snapshot(
      'tonewall_revocations_end_timestamp_seconds',
      'When a list of revoked certificates in use is over (nextUpdate)',
      ['list'],
      () =>
        [...this.#lists].flatMap(([list, { nextUpdateMs }]) =>
          nextUpdateMs === null ? [] : [{ labels: { list }, count: nextUpdateMs / 1_000 }],
        ),
    )
  }

  /** From here on this one is in use. Of several in a row the one that ends first counts; of none that can be read, nothing is told. */
  certificate(which: TrustedCertificate, pem: Buffer): void {
    const ends = [...pem.toString('latin1').matchAll(PEM_BLOCK)].map(([block]) => endOf(block))
    const endMs = Math.min(...ends)
    if (Number.isFinite(endMs)) this.#certificates.set(which, endMs)
    else this.#certificates.delete(which)
  }

  revocations(which: TrustedList, list: RevocationList): void {
    this.#lists.set(which, list)
  }
}

function endOf(pem: string): number {
  try {
    return Date.parse(new X509Certificate(pem).validTo)
  } catch {
    return Number.NaN
  }
}
