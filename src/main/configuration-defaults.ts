import { join, resolve } from 'node:path'
import { completeRoute, completeTrunk, type WrittenRoute, type WrittenTrunk } from './trunk-defaults.ts'
import { completeAudit, type WrittenAudit } from './audit-defaults.ts'
import { completeKeys, type WrittenKeys } from './key-defaults.ts'
import {
  completeGuardMerchants,
  completeMerchants,
  completeVaultApi,
  type WrittenMerchant,
  type WrittenVaultApi,
} from './vault-api-defaults.ts'
import type {
  AgentConfiguration,
  Configuration,
  FormConfiguration,
  GuardConfiguration,
  HostPort,
  PostgresqlConfiguration,
  RtpengineConfiguration,
  SipConfiguration,
  SipTlsConfiguration,
} from '../wire/configuration.ts'

/** One packet of 20 ms and 10 ms of jitter, as the masker's own default (bench leak-knee). */
export const LOOK_AHEAD_MS = 30
/** What one core serves with its timing kept. */
const WINDOWS_MAX = 100
const TRIES = 3
/** People look at their card between two groups of digits. */
const INTER_DIGIT_MS = 15_000
const TOTAL_MS = 180_000
/** Customers press # once more. */
export const COOL_DOWN_MS = 3_000

/** RFC 4028 section 4 recommends half an hour; the least is of section 5. */
const SESSION_TIMER = { seconds: 1_800, minSeconds: 90 }
/** Of the European Union, the Americas, the United Kingdom, Australia. */
const EMERGENCY_NUMBERS: readonly string[] = ['112', '911', '999', '000']
/** Homer tells its agents apart by it. */
const CAPTURE_ID = 2_001

const POSTGRESQL_PORT = 5_432

type WrittenPostgresql = {
  readonly host: string
  readonly port?: number
  readonly standbys?: readonly { readonly host: string; readonly port?: number }[]
  readonly database?: string
  readonly user?: string
  readonly passwordFile?: string | null
  readonly tls?: {
    readonly authority: string
    readonly certificate?: string | null
    readonly key?: string | null
  } | null
}

/** What sbc-config/tonewall.schema.json lets through. */
export type WrittenConfiguration = {
  readonly dataFolder?: string
  readonly certificates?: { readonly folder?: string; readonly development?: boolean; readonly revoked?: string | null }
  readonly users?: Configuration['users']
  readonly logLevel?: Configuration['logLevel']
  readonly sip: Pick<SipConfiguration, 'udp' | 'tcp' | 'control'> &
    Partial<Omit<SipConfiguration, 'tls'>> & {
      readonly tls?:
        | (Omit<SipTlsConfiguration, 'mutual' | 'wildcards' | 'authority' | 'revoked'> & {
            readonly mutual?: boolean
            readonly wildcards?: boolean
            readonly authority?: string | null
            readonly revoked?: string | null
          })
        | null
    }
  readonly trunks: readonly WrittenTrunk[]
  readonly routes: readonly WrittenRoute[]
  readonly rtpengines: readonly (Omit<RtpengineConfiguration, 'start'> & Partial<RtpengineConfiguration>)[]
  readonly guards: readonly (Omit<GuardConfiguration, 'windowsMax'> & Partial<GuardConfiguration>)[]
  readonly vault: HostPort & {
    readonly folder?: string
    readonly connectorUrl?: string | null
    readonly store?: Configuration['vault']['store']
    readonly postgresql?: WrittenPostgresql | null
    readonly keys?: WrittenKeys
    readonly merchants?: readonly WrittenMerchant[]
    readonly guardMerchants?: readonly string[]
    readonly api?: WrittenVaultApi | null
  }
  readonly audit?: WrittenAudit
  readonly sbc: HostPort
  readonly desk: HostPort & {
    readonly tls?: { readonly certificate: string; readonly key: string } | null
    readonly agents: readonly (Pick<AgentConfiguration, 'name'> & Partial<AgentConfiguration>)[]
  }
  readonly forms: readonly (Pick<FormConfiguration, 'name' | 'fields'> & Partial<FormConfiguration>)[]
  readonly merchant: string
  readonly homer?: (HostPort & { readonly captureId?: number }) | null
  readonly callRecords?: string | null
  readonly metrics: Configuration['metrics']
}

/** Completes what was left out, and makes file names absolute: relative ones count from the configuration's folder. */
export function completeConfiguration(
  written: WrittenConfiguration,
  options: { readonly folder: string; readonly installation: string },
): Configuration {
  const file = (name: string): string => resolve(options.folder, name)
  const dataFolder = written.dataFolder === undefined ? join(options.installation, 'run') : file(written.dataFolder)
  const secret = (name: string): string => join(dataFolder, 'secrets', name)
  const certificates = written.certificates?.folder
  return {
    dataFolder,
    certificates: {
      folder: certificates === undefined ? join(options.installation, 'certs/dev') : file(certificates),
      development: written.certificates?.development ?? false,
      revoked: written.certificates?.revoked == null ? null : file(written.certificates.revoked),
    },
    users: written.users ?? null,
    logLevel: written.logLevel ?? 'info',
    sip: {
      udp: written.sip.udp,
      tcp: written.sip.tcp,
      tls: completeTls(written.sip.tls ?? null, file),
      resolvers: written.sip.resolvers ?? [],
      sessionTimer: written.sip.sessionTimer === undefined ? SESSION_TIMER : written.sip.sessionTimer,
      strangers: written.sip.strangers ?? 'drop',
      emergencyNumbers: written.sip.emergencyNumbers ?? EMERGENCY_NUMBERS,
      server: written.sip.server ?? 'embedded',
      control: written.sip.control,
      secretFile: written.sip.secretFile === undefined ? secret('sip-control') : file(written.sip.secretFile),
    },
    trunks: written.trunks.map((trunk) => completeTrunk(trunk, { file, lookAheadMs: LOOK_AHEAD_MS })),
    routes: written.routes.map(completeRoute),
    rtpengines: written.rtpengines.map((rtpengine) => ({ ...rtpengine, start: rtpengine.start ?? null })),
    guards: written.guards.map((guard) => ({ ...guard, windowsMax: guard.windowsMax ?? WINDOWS_MAX })),
    vault: {
      host: written.vault.host,
      port: written.vault.port,
      folder: written.vault.folder === undefined ? join(dataFolder, 'vault') : file(written.vault.folder),
      connectorUrl: written.vault.connectorUrl ?? null,
      store: written.vault.store ?? 'sqlite',
      postgresql: written.vault.postgresql ? completePostgresql(written.vault.postgresql, file) : null,
      keys: completeKeys(written.vault.keys ?? {}, file),
      merchants: completeMerchants(written.vault.merchants ?? [], {
        merchant: written.merchant,
        connectorUrl: written.vault.connectorUrl ?? null,
      }),
      guardMerchants: completeGuardMerchants(written.vault.guardMerchants ?? [], written.merchant),
      api: completeVaultApi(written.vault.api ?? null, written.merchant),
    },
    audit: completeAudit(written.audit ?? {}, { dataFolder, file }),
    sbc: written.sbc,
    desk: {
      host: written.desk.host,
      port: written.desk.port,
      tls: written.desk.tls
        ? { certificate: file(written.desk.tls.certificate), key: file(written.desk.tls.key) }
        : null,
      agents: written.desk.agents.map((agent) => ({
        name: agent.name,
        role: agent.role ?? 'agent',
        tokenFile: agent.tokenFile === undefined ? secret(tokenFileName(agent.name)) : file(agent.tokenFile),
      })),
    },
    forms: written.forms.map((form) => ({
      name: form.name,
      fields: form.fields,
      brands: form.brands ?? [],
      tries: form.tries ?? TRIES,
      interDigitMs: form.interDigitMs ?? INTER_DIGIT_MS,
      totalMs: form.totalMs ?? TOTAL_MS,
      coolDownMs: form.coolDownMs ?? COOL_DOWN_MS,
    })),
    merchant: written.merchant,
    homer: written.homer ? { ...written.homer, captureId: written.homer.captureId ?? CAPTURE_ID } : null,
    callRecords:
      written.callRecords === null
        ? null
        : written.callRecords === undefined
          ? join(dataFolder, 'calls')
          : file(written.callRecords),
    metrics: written.metrics,
  }
}

function completePostgresql(written: WrittenPostgresql, file: (name: string) => string): PostgresqlConfiguration {
  const { host, tls } = written
  const port = written.port ?? POSTGRESQL_PORT
  return {
    host,
    port,
    standbys: (written.standbys ?? []).map((standby) => ({ host: standby.host, port: standby.port ?? port })),
    database: written.database ?? 'tonewall',
    user: written.user ?? 'tonewall_vault',
    passwordFile: written.passwordFile == null ? null : file(written.passwordFile),
    tls:
      tls == null
        ? null
        : {
            authority: file(tls.authority),
            certificate: tls.certificate == null ? null : file(tls.certificate),
            key: tls.key == null ? null : file(tls.key),
          },
  }
}

function completeTls(
  tls: WrittenConfiguration['sip']['tls'] | null,
  file: (name: string) => string,
): SipTlsConfiguration | null {
  if (tls === null || tls === undefined) return null
  return {
    addresses: tls.addresses,
    certificate: file(tls.certificate),
    key: file(tls.key),
    authority: tls.authority == null ? null : file(tls.authority),
    mutual: tls.mutual ?? false,
    wildcards: tls.wildcards ?? false,
    revoked: tls.revoked == null ? null : file(tls.revoked),
  }
}

/** An agent's name may hold characters that a file name should not, and two names must not meet in one file. */
function tokenFileName(agent: string): string {
  return `agent-${/^[\w-]+$/.test(agent) ? agent : Buffer.from(agent).toString('base64url')}`
}
