import type { ConfigurationProblem, KeyPath, ProblemAt } from '../kit/configuration-file.ts'
import type { KekConfiguration, KeysConfiguration } from '../wire/key-configuration.ts'
import type { Report } from './configuration-check.ts'
import { missingSection } from './key-defaults.ts'
import { isMissing } from './missing-file.ts'

/** Looked at before the schema is: it cannot say well what a provider needs. */
export function checkWrittenKeys(value: unknown, problemAt: ProblemAt): readonly ConfigurationProblem[] {
  const keys = sectionOf(sectionOf(value, 'vault'), 'keys')
  if (keys === null) return []
  const former: readonly unknown[] = Array.isArray(keys['former']) ? keys['former'] : []
  const written = [
    { kek: keys, path: ['vault', 'keys'] },
    ...former.map((kek, index) => ({ kek, path: ['vault', 'keys', 'former', index] })),
  ]
  return written.flatMap(({ kek, path }) => {
    if (typeof kek !== 'object' || kek === null) return []
    const missing = missingSection(kek)
    if (missing === null) return []
    return [
      problemAt([...path, 'provider'], {
        problem: 'does not say where the key lies',
        cure: ['write', missing, 'beside it; tonewall.schema.json has its keys'].join(' '),
      }),
    ]
  })
}

/** Files that must be there, and keys that must differ. */
export function checkKeys({ kek, former }: KeysConfiguration, report: Report): void {
  const checkOne = (one: KekConfiguration, path: KeyPath): void => {
    const mustExist = (key: string, name: string | null): void => {
      if (name === null || !isMissing(name)) return
      report(
        [...path, SECTIONS[one.provider], key].filter((part) => part !== ''),
        'there is no such file',
        CURES[key] ?? '',
      )
    }
    if (one.provider === 'pkcs11') {
      mustExist('library', one.library)
      mustExist('pinFile', one.pinFile)
    }
    if (one.provider === 'aws-kms') {
      mustExist('credentialsFile', one.credentialsFile)
      mustExist('authority', one.authority)
    }
    if (one.provider === 'transit') {
      mustExist('tokenFile', one.tokenFile)
      mustExist('authority', one.authority)
    }
  }
  checkOne(kek, ['vault', 'keys'])
  former.forEach((one, index) => {
    const path = ['vault', 'keys', 'former', index]
    checkOne(one, path)
    if (JSON.stringify(one) === JSON.stringify(kek)) {
      report(path, 'is the key that is used now', 'take it out, or name a new key above')
    }
  })
}

const SECTIONS: Readonly<Record<KekConfiguration['provider'], string>> = {
  file: '',
  pkcs11: 'pkcs11',
  'aws-kms': 'awsKms',
  transit: 'transit',
  custodians: '',
}

const CURES: Readonly<Record<string, string>> = {
  library: "name the shared object that the HSM's maker delivers",
  pinFile: 'put the PIN on its first line, mode 0600',
  credentialsFile: "write it as AWS's tools do: aws_access_key_id and aws_secret_access_key",
  tokenFile: 'put the token on its first line, mode 0600',
  authority: 'name a PEM file',
}

function sectionOf(value: unknown, key: string): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null
  const section = (value as Readonly<Record<string, unknown>>)[key]
  return typeof section === 'object' && section !== null ? (section as Readonly<Record<string, unknown>>) : null
}
