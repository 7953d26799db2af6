/** Where the vault's key-encryption key lies. File names are absolute. */
export type KekConfiguration =
  /** Development only. null: a file that is made in the vault's folder. */
  | { readonly provider: 'file'; readonly file: string | null }
  | {
      readonly provider: 'pkcs11'
      /** The HSM's library. */
      readonly library: string
      /** Labels of the token, and of the AES-256 key in it. */
      readonly token: string
      readonly key: string
      /** The PIN is its first line. */
      readonly pinFile: string
      /** What the library's own configuration needs. */
      readonly environment: Readonly<Record<string, string>>
    }
  | {
      readonly provider: 'aws-kms'
      readonly region: string
      /** Id, ARN or alias. */
      readonly key: string
      /** As of AWS's own tools; read again at each request. */
      readonly credentialsFile: string
      /** An https URL; null: that of the region. */
      readonly endpoint: string | null
      /** PEM of who has signed the endpoint's certificate; null: whom the system trusts. */
      readonly authority: string | null
    }
  /** HashiCorp Vault or OpenBao. */
  | {
      readonly provider: 'transit'
      readonly url: string
      readonly mount: string
      readonly key: string
      /** The token is its first line; read again at each request. */
      readonly tokenFile: string
      readonly namespace: string | null
      readonly authority: string | null
    }
  /** Shares of people; see tonewall vault custodians. */
  | { readonly provider: 'custodians' }

export type KeysConfiguration = {
  readonly kek: KekConfiguration
  /** Those that wrapped keys before: what they wrapped is wrapped anew at the start. */
  readonly former: readonly KekConfiguration[]
  /** A data key seals new cards for this long (PCI DSS 3.7.4). */
  readonly cryptoperiodDays: number
}
