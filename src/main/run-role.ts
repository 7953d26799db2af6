import { readFileSync, writeSync } from 'node:fs'
import { readIdentity, type Identity } from '../kit/identity.ts'
import { createLogger, errorFields, type Logger } from '../kit/log.ts'
import { Metrics, serveMetrics } from '../kit/metrics.ts'
import { RevocationList } from '../kit/revocation.ts'
import { TrustTimes } from '../kit/trust-times.ts'
import type { Sipd } from '../sipd/sipd.ts'
import type { ListenAddress, TlsListeners } from '../sipd/transports.ts'
import type { Configuration, HostPort, SipAddress, SipTlsConfiguration } from '../wire/configuration.ts'
import { auditOptions } from './audit-start.ts'
import { isBelow } from './configuration-check.ts'
import { readSecret } from './development-secrets.ts'
import { LineWriter } from './line-writer.ts'
import { RoleControl, type RunningRole } from './role-control.ts'
import type { RoleMessage } from './role-message.ts'
import type { RoleName } from './role-name.ts'
import { SupervisorLink } from './supervisor-link.ts'
import { productVersion } from './version.ts'
import { merchantOptions, postgresOptions } from './vault-store.ts'

const STANDARD_OUTPUT = 1

/** What every role's entry point is given beside its part of the configuration. */
type RoleTools = {
  readonly identity: Identity
  readonly logger: Logger
  readonly metrics: Metrics
  readonly control: RoleControl
  readonly trust: TrustTimes
}

/**
 * Runs one role in this process until it is told to end: by `close` from the supervisor, by the supervisor's death, or,
 * without a supervisor, by SIGTERM or SIGINT. Resolves to the exit code when it cannot start.
 */
export async function runRole(options: {
  readonly role: RoleName
  readonly name: string
  readonly configuration: Configuration
  /** Where the configuration was read from. */
  readonly configurationFile: string
}): Promise<number> {
  const { role, name, configuration, configurationFile } = options
  const link = new SupervisorLink()
  const lines = new LineWriter(writeOut)
  process.on('exit', () => lines.flush())
  const logger = createLogger({ role: name, level: configuration.logLevel, stream: lines })
  exitWhenBroken(logger)
  const control = new RoleControl({ role, link, logger, configurationFile, configuration })
  let running: RunningRole
  try {
    const metrics = new Metrics(role)
    metrics.collectProcess()
    const { folder, revoked } = configuration.certificates
    const identity = readIdentity({ folder, role, revoked })
    identity.revoked?.follow(logger)
    const trust = new TrustTimes(metrics)
    trust.certificate('process', identity.certificate)
    trust.certificate('authority', identity.authority)
    if (identity.revoked !== undefined) trust.revocations('certificates', identity.revoked)
    running = await start(role, name, configuration, { identity, logger, metrics, control, trust })
    await serveMetrics(metrics, metricsAddress(role, name, configuration))
  } catch (error) {
    const failure = failureMessage(error)
    logger.error(
      {
        code: failure.code,
        ...(failure.port === null ? {} : { address: failure.host ?? '', port: failure.port }),
        ...certificateOf(error, configuration.certificates.folder),
        ...errorFields(error),
      },
      'cannot start',
    )
    await link.tell(failure)
    return 1
  }
  control.obey(running)
  await link.tell({ type: 'ready', addresses: running.addresses })
  return 0
}

/** The name of a certificate or key that could not be read: without it nobody knows which to bring. */
function certificateOf(error: unknown, folder: string): { readonly file?: string } {
  const path: unknown = error instanceof Error && 'path' in error ? error.path : null
  return typeof path === 'string' && isBelow(folder, path) ? { file: path } : {}
}

/** Each process loads the code of its own room only. */
async function start(
  role: RoleName,
  name: string,
  configuration: Configuration,
  tools: RoleTools,
): Promise<RunningRole> {
  const { sip } = configuration
  switch (role) {
    case 'sipd': {
      const { startSipd } = await import('../sipd/sipd.ts')
      const secret = readSecret(sip.secretFile)
      const revoked = sip.tls?.revoked == null ? null : new RevocationList(sip.tls.revoked)
      revoked?.follow(tools.logger)
      if (revoked !== null) tools.trust.revocations('sip', revoked)
      const tls = sip.tls === null ? null : readTls(sip.tls, revoked)
      if (tls !== null) tools.trust.certificate('sip', tls.identity.certificate)
      const sipd = await startSipd({
        ...tools,
        udp: sip.udp.map(named),
        tcp: sip.tcp.map(named),
        ...(tls === null ? {} : { tls }),
        resolvers: sip.resolvers,
        sessionTimer: sip.sessionTimer,
        admission: { sources: peerAddresses(configuration.trunks), strangers: sip.strangers },
        control: { ...sip.control, secret },
        traces: { sbc: configuration.sbc, identity: tools.identity },
        homer: configuration.homer,
      })
      return {
        addresses: [],
        apply: (next) => Promise.resolve(applyToSipd(sipd, next, { revoked, trust: tools.trust })),
        close: () => sipd.close(),
      }
    }
    case 'sbc': {
      const { startSbc } = await import('../sbc/sbc.ts')
      const { control } = tools
      // As it was at the start: an upgrade may change the files beneath a process that runs.
      const version = productVersion()
      const sbc = await startSbc({
        ...tools,
        configuration,
        sipSecret: readSecret(sip.secretFile),
        drained: () => control.drained(),
        reload: (file) => control.reload(file),
        running: () => ({ version, configuration: JSON.stringify(control.configuration) }),
      })
      return { addresses: [], apply: (next) => Promise.resolve(sbc.apply(next)), close: () => sbc.close() }
    }
    case 'vault': {
      const { startVault } = await import('../cde/vault/vault.ts')
      const { openKeys } = await import('./vault-keys.ts')
      const { host, port, folder, store, postgresql } = configuration.vault
      const merchants = configuration.vault.merchants.map(merchantOptions)
      const database = store === 'postgresql' && postgresql !== null ? { postgresql: postgresOptions(postgresql) } : {}
      const vault = await startVault({
        ...tools,
        ...database,
        ...(await auditOptions(configuration.audit, tools.logger)),
        ...(await openKeys(configuration.vault, tools.logger)),
        cryptoperiodDays: configuration.vault.keys.cryptoperiodDays,
        host,
        port,
        dataDir: folder,
        merchants,
        guardMerchants: configuration.vault.guardMerchants,
        api: configuration.vault.api,
      })
      return { addresses: [], close: () => vault.close() }
    }
    case 'guard': {
      const { startGuard } = await import('../cde/guard/guard.ts')
      const own = configuration.guards.find((guard) => guard.name === name)
      if (own === undefined) throw Object.assign(new Error('no such guard'), { code: 'unknown_guard' })
      const { host, port, media, windowsMax } = own
      const { merchant, vault } = configuration
      const guard = await startGuard({ ...tools, name, merchant, host, port, media, windowsMax, vault })
      return { addresses: [], close: () => guard.close() }
    }
    case 'desk': {
      const { startDesk } = await import('../desk/desk.ts')
      const { tls } = configuration.desk
      if (tls !== null) tools.trust.certificate('desk', readFileSync(tls.certificate))
      const desk = await startDesk({ ...tools, configuration: configuration.desk, sbc: configuration.sbc })
      return { addresses: [desk.address], close: () => desk.close() }
    }
  }
}

/** Who may send requests: the sources of all trunks, and their targets as far as these are addresses. */
function peerAddresses(trunks: Configuration['trunks']): readonly string[] {
  return trunks.flatMap(({ sources, targets }) => [...sources, ...targets.map(({ host }) => host)])
}

/** Certificates are read again: their files may have been renewed. A line for people when they cannot be used. */
function applyToSipd(
  sipd: Sipd,
  { trunks, sip }: Configuration,
  { revoked, trust }: { readonly revoked: RevocationList | null; readonly trust: TrustTimes },
): string | null {
  const admission = { sources: peerAddresses(trunks), strangers: sip.strangers }
  try {
    const tls = sip.tls === null ? null : readTls(sip.tls, revoked)
    sipd.apply(tls === null ? { admission } : { admission, tls })
    if (tls !== null) trust.certificate('sip', tls.identity.certificate)
    return null
  } catch {
    return 'the certificate or the key of sip.tls cannot be read or used'
  }
}

/** Throws the system's error, with its code, when a file cannot be read. */
function readTls(tls: SipTlsConfiguration, revoked: RevocationList | null): TlsListeners {
  return {
    addresses: tls.addresses.map(named),
    identity: {
      certificate: readFileSync(tls.certificate),
      key: readFileSync(tls.key),
      authority: tls.authority === null ? undefined : readFileSync(tls.authority),
      mutual: tls.mutual,
      wildcards: tls.wildcards,
      ...(revoked === null ? {} : { revoked }),
    },
  }
}

function named({ host, port, advertise }: SipAddress): ListenAddress {
  return advertise === undefined ? { host, port } : { host, port, name: advertise }
}

function metricsAddress(role: RoleName, name: string, configuration: Configuration): HostPort {
  const { host, ports } = configuration.metrics
  if (role !== 'guard') return { host, port: ports[role] }
  return { host, port: configuration.guards.find((guard) => guard.name === name)?.metricsPort ?? 0 }
}

/**
 * Lines to standard output. Lines that nobody takes are dropped: pino's own stream would try again for ever, at the
 * exit too, so that a process whose supervisor died would never end.
 */
function writeOut(lines: string): void {
  try {
    writeSync(STANDARD_OUTPUT, lines)
  } catch {
    // The reader is gone or does not read: calls matter more than lines.
  }
}

/** A broken assumption may have broken masking too: the process ends, and a fresh one takes its place. */
function exitWhenBroken(logger: Logger): void {
  const broken = (error: unknown): void => {
    logger.error({ code: 'broken', ...errorFields(error) }, 'ended by an error that nobody expected')
    process.exit(1)
  }
  process.on('uncaughtException', broken)
  process.on('unhandledRejection', broken)
}

/** The port is in the system's own errors, or in an `address` with its host in those of a role. */
function failureMessage(error: unknown): RoleMessage & { readonly type: 'failed' } {
  const code = errorFields(error).errorCode
  const { address, port } = (error ?? {}) as { readonly address?: unknown; readonly port?: unknown }
  const nested = (typeof address === 'object' && address !== null ? address : {}) as Readonly<Record<string, unknown>>
  const host = nested['host'] ?? address
  const number = nested['port'] ?? port
  return {
    type: 'failed',
    code: typeof code === 'string' ? code : 'unknown',
    host: typeof host === 'string' ? host : null,
    port: typeof number === 'number' ? number : null,
  }
}
