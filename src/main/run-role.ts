import { readFileSync, writeSync } from 'node:fs'
import { readIdentity, type Identity } from '../kit/identity.ts'
import { createLogger, errorFields, type Logger } from '../kit/log.ts'
import { Metrics, serveMetrics } from '../kit/metrics.ts'
import type { TlsListeners } from '../sipd/transports.ts'
import type { Configuration, HostPort, SipTlsConfiguration } from '../wire/configuration.ts'
import { readSecret } from './development-secrets.ts'
import { LineWriter } from './line-writer.ts'
import { parseSupervisorMessage, type RoleMessage } from './role-message.ts'
import type { RoleName } from './role-name.ts'

/** The supervisor waits a little longer; without one, systemd does. */
const CLOSE_MS_MAX = 4_500
const STANDARD_OUTPUT = 1

/** What every role's entry point is given beside its part of the configuration. */
type RoleTools = { readonly identity: Identity; readonly logger: Logger; readonly metrics: Metrics }

/** `addresses` are for people. */
type RunningRole = { readonly addresses: readonly string[]; close(): Promise<void> }

/**
 * Runs one role in this process until it is told to end: by `close` from the supervisor, by the supervisor's death, or,
 * without a supervisor, by SIGTERM or SIGINT. Resolves to the exit code when it cannot start.
 */
export async function runRole(options: {
  readonly role: RoleName
  readonly name: string
  readonly configuration: Configuration
}): Promise<number> {
  const { role, name, configuration } = options
  const lines = new LineWriter(writeOut)
  process.on('exit', () => lines.flush())
  const logger = createLogger({ role: name, level: configuration.logLevel, stream: lines })
  exitWhenBroken(logger)
  let running: RunningRole
  try {
    const metrics = new Metrics(role)
    metrics.collectProcess()
    const identity = readIdentity({ folder: configuration.certificates.folder, role })
    running = await start(role, name, configuration, { identity, logger, metrics })
    await serveMetrics(metrics, metricsAddress(role, name, configuration))
  } catch (error) {
    const failure = failureMessage(error)
    logger.error(
      {
        code: failure.code,
        ...(failure.port === null ? {} : { address: failure.host ?? '', port: failure.port }),
        ...errorFields(error),
      },
      'cannot start',
    )
    await tell(failure)
    return 1
  }
  endWhenTold(running, logger)
  await tell({ type: 'ready', addresses: running.addresses })
  return 0
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
      const tls = sip.tls === null ? {} : { tls: readTls(sip.tls) }
      const sipd = await startSipd({
        ...tools,
        udp: sip.udp,
        tcp: sip.tcp,
        ...tls,
        resolvers: sip.resolvers,
        sessionTimer: sip.sessionTimer,
        admission: { sources: peerAddresses(configuration.trunks), strangers: sip.strangers },
        control: { ...sip.control, secret },
        traces: { sbc: configuration.sbc, identity: tools.identity },
        homer: configuration.homer,
      })
      return { addresses: [], close: () => sipd.close() }
    }
    case 'sbc': {
      const { startSbc } = await import('../sbc/sbc.ts')
      const sbc = await startSbc({ ...tools, configuration, sipSecret: readSecret(sip.secretFile) })
      return { addresses: [], close: () => sbc.close() }
    }
    case 'vault': {
      const { startVault } = await import('../cde/vault/vault.ts')
      const { host, port, folder, connectorUrl } = configuration.vault
      const connector = connectorUrl === null ? {} : { connector: { url: connectorUrl } }
      const merchants = [{ name: configuration.merchant, ...connector }]
      const vault = await startVault({ ...tools, host, port, dataDir: folder, merchants })
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
      const desk = await startDesk({ ...tools, configuration: configuration.desk, sbc: configuration.sbc })
      return { addresses: [desk.address], close: () => desk.close() }
    }
  }
}

/** Who may send requests: the sources of all trunks, and their targets as far as these are addresses. */
function peerAddresses(trunks: Configuration['trunks']): readonly string[] {
  return trunks.flatMap(({ sources, targets }) => [...sources, ...targets.map(({ host }) => host)])
}

/** Throws the system's error, with its code, when a file cannot be read. */
function readTls(tls: SipTlsConfiguration): TlsListeners {
  return {
    addresses: tls.addresses,
    identity: {
      certificate: readFileSync(tls.certificate),
      key: readFileSync(tls.key),
      authority: tls.authority === null ? undefined : readFileSync(tls.authority),
      mutual: tls.mutual,
    },
  }
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

function endWhenTold(running: RunningRole, logger: Logger): void {
  let ending = false
  const end = (): void => {
    if (ending) return
    ending = true
    setTimeout(() => process.exit(1), CLOSE_MS_MAX)
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ code: 'close_failed', ...errorFields(error) }, 'did not close in order')
        process.exit(1)
      },
    )
  }
  process.on('message', (value) => {
    const message = parseSupervisorMessage(value)
    if (message?.type === 'close') end()
    else if (message?.type === 'ping') void tell({ type: 'pong' })
  })
  process.on('disconnect', end)
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
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

/** Waits until the message is handed over, since an exit would lose it. Without a supervisor nobody listens. */
function tell(message: RoleMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, () => resolve())
  })
}
