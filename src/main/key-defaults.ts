import type { KekConfiguration, KeysConfiguration } from '../wire/key-configuration.ts'

/** A quarter: well within the two years that NIST SP 800-57 part 1 (5.3.6) gives a key that encrypts data. */
const CRYPTOPERIOD_DAYS = 90
/** As both products mount it. */
const TRANSIT_MOUNT = 'transit'

type WrittenKek = {
  readonly provider?: KekConfiguration['provider']
  readonly file?: string | null
  readonly pkcs11?: {
    readonly library: string
    readonly token: string
    readonly key: string
    readonly pinFile: string
    readonly environment?: Readonly<Record<string, string>>
  } | null
  readonly awsKms?: {
    readonly region: string
    readonly key: string
    readonly credentialsFile: string
    readonly endpoint?: string | null
    readonly authority?: string | null
  } | null
  readonly transit?: {
    readonly url: string
    readonly key: string
    readonly tokenFile: string
    readonly mount?: string
    readonly namespace?: string | null
    readonly authority?: string | null
  } | null
}

export type WrittenKeys = WrittenKek & {
  readonly former?: readonly WrittenKek[]
  readonly cryptoperiodDays?: number
}

export function completeKeys(written: WrittenKeys, file: (name: string) => string): KeysConfiguration {
  return {
    kek: completeKek(written, file),
    former: (written.former ?? []).map((former) => completeKek(former, file)),
    cryptoperiodDays: written.cryptoperiodDays ?? CRYPTOPERIOD_DAYS,
  }
}

/** The section that a provider needs: the schema cannot say it well. Null where it is there. */
export function missingSection({
  provider,
  pkcs11,
  awsKms,
  transit,
}: WrittenKek): 'pkcs11' | 'awsKms' | 'transit' | null {
  if (provider === 'pkcs11' && pkcs11 == null) return 'pkcs11'
  if (provider === 'aws-kms' && awsKms == null) return 'awsKms'
  if (provider === 'transit' && transit == null) return 'transit'
  return null
}

/** A section that is missing was refused before. */
function completeKek(written: WrittenKek, file: (name: string) => string): KekConfiguration {
  const { provider = 'file', pkcs11, awsKms, transit } = written
  const fileOrNull = (name: string | null | undefined): string | null => (name == null ? null : file(name))
  if (provider === 'pkcs11' && pkcs11 != null) {
    const { library, token, key, pinFile, environment = {} } = pkcs11
    return { provider, library: file(library), token, key, pinFile: file(pinFile), environment }
  }
  if (provider === 'aws-kms' && awsKms != null) {
    const { region, key, credentialsFile, endpoint = null, authority } = awsKms
    return {
      ...{ provider, region, key, endpoint },
      ...{ credentialsFile: file(credentialsFile), authority: fileOrNull(authority) },
    }
  }
  if (provider === 'transit' && transit != null) {
    const { url, key, tokenFile, mount = TRANSIT_MOUNT, namespace = null, authority } = transit
    return {
      ...{ provider, url, mount, key, namespace },
      ...{ tokenFile: file(tokenFile), authority: fileOrNull(authority) },
    }
  }
  if (provider === 'custodians') return { provider }
  return { provider: 'file', file: fileOrNull(written.file) }
}
