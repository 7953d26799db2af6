import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Configuration } from '../wire/configuration.ts'
import type { KekConfiguration } from '../wire/key-configuration.ts'
import { INSTALLATION } from './configuration.ts'
import type { RoleName } from './role-name.ts'

/** What every role reads of the installation: its program, the packages, and the schema. Not run/, and no keys. */
const PROGRAM = ['src', 'node_modules', 'package.json', 'sbc-config/tonewall.schema.json']

/**
 * The files that a role needs, as absolute names; it is given no others, by Node's permission model (`role-command.ts`), by the
 * account that it runs as (`process-account.ts`) and by its unit (`deploy/systemd`). Who speaks to whom is in `flows.ts`.
 */
export type RoleNeeds = {
  /** Files and folders of the program, the same for every role. */
  readonly program: readonly string[]
  /** Files that are the role's alone or the site's, such as its key. */
  readonly reads: readonly string[]
  /** Folders below which it makes and changes files. */
  readonly writes: readonly string[]
}

export function roleNeeds(role: RoleName, configuration: Configuration, configurationFile: string): RoleNeeds {
  const { folder, revoked } = configuration.certificates
  return {
    program: PROGRAM.map((name) => join(INSTALLATION, name)),
    reads: [
      resolve(configurationFile),
      ...['ca.crt', `${role}.crt`, `${role}.key`].map((name) => join(folder, name)),
      ...[revoked, ...OWN_READS[role](configuration)].filter((file) => file !== null),
    ],
    writes: OWN_WRITES[role](configuration).filter((name) => name !== null),
  }
}

type Files = (configuration: Configuration) => readonly (string | null)[]

const OWN_READS: Readonly<Record<RoleName, Files>> = {
  sipd: ({ sip: { secretFile, tls } }) => [
    secretFile,
    ...(tls === null ? [] : [tls.certificate, tls.key, tls.authority, tls.revoked]),
  ],
  sbc: ({ sip, trunks }) => [
    sip.secretFile,
    ...trunks.flatMap(({ credentials, authentication }) =>
      [credentials, ...(authentication?.users ?? [])].map((user) => user?.passwordFile ?? null),
    ),
  ],
  guard: () => [],
  vault: ({ vault: { postgresql, keys }, audit: { signingKey, syslog } }) => [
    ...[keys.kek, ...keys.former].flatMap(keyFiles),
    postgresql?.passwordFile ?? null,
    ...(postgresql?.tls == null ? [] : [postgresql.tls.authority, postgresql.tls.certificate, postgresql.tls.key]),
    signingKey,
    ...(syslog === null ? [] : [syslog.authority, syslog.certificate, syslog.key]),
  ],
  desk: ({ desk: { agents, tls } }) => [
    ...agents.map(({ tokenFile }) => tokenFile),
    ...(tls === null ? [] : [tls.certificate, tls.key]),
  ],
}

/** What is made in the vault's folder when none is named is not among them. */
function keyFiles(kek: KekConfiguration): readonly (string | null)[] {
  switch (kek.provider) {
    case 'file':
      // One that is not there yet is made.
      return kek.file !== null && existsSync(kek.file) ? [kek.file] : []
    case 'pkcs11':
      return [kek.library, kek.pinFile]
    case 'aws-kms':
      return [kek.credentialsFile, kek.authority]
    case 'transit':
      return [kek.tokenFile, kek.authority]
    case 'custodians':
      return []
  }
}

/** Guard, sipd and desk write nothing at all: a guard has nowhere to leave a digit. */
const OWN_WRITES: Readonly<Record<RoleName, Files>> = {
  sipd: () => [],
  sbc: ({ callRecords }) => [callRecords],
  guard: () => [],
  vault: ({ vault, audit }) => [vault.folder, audit.folder],
  desk: () => [],
}

/** rtpengine is given all by its command line, and records nothing. */
export const RTPENGINE_NEEDS: RoleNeeds = { program: [], reads: [], writes: [] }
