import type { HostPort } from './configuration.ts'

/** What becomes of the vault's audit record beside its store. File names are absolute. */
export type AuditConfiguration = {
  /** PKCS#8 in PEM, Ed25519; null: one that is made in the vault's folder, for development only. */
  readonly signingKey: string | null
  /** A file a day; null: none. */
  readonly folder: string | null
  /** Syslog over TLS (RFC 5425); null: none. */
  readonly syslog:
    | (HostPort & {
        /** PEM of who has signed the collector's certificate. */
        readonly authority: string
        /** The name in it; null: the host. */
        readonly name: string | null
        /** What the vault shows of itself where it is asked; null: nothing. */
        readonly certificate: string | null
        readonly key: string | null
      })
    | null
  /** Asked each hour how far the vault's clock is off (NTP); null: nobody knows. */
  readonly timeServer: HostPort | null
  /** With more records than this not shipped, no window opens. */
  readonly backlogMax: number
  /** Whole months that stay in the store; older ones go into files below `folder`. */
  readonly onlineMonths: number
  /** Whole months that stay in files. */
  readonly keptMonths: number
}
