import { join } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import { isMissing } from './missing-file.ts'
import { ROLE_NAMES } from './role-name.ts'

/** Certificates and keys of a production site that are not there, as file names; in development they are made. */
export function missingCertificates({
  certificates,
  sip,
}: Pick<Configuration, 'certificates' | 'sip'>): readonly string[] {
  const { folder, development } = certificates
  if (development) return []
  const roles = ROLE_NAMES.filter((role) => role !== 'sipd' || sip.server === 'embedded')
  const names = ['ca.crt', ...roles.flatMap((role) => [`${role}.crt`, `${role}.key`])]
  return names.map((name) => join(folder, name)).filter((file) => isMissing(file))
}

/** For people. */
export function missingText(file: string): string {
  return `${file} is missing: put the site's certificates there`
}
