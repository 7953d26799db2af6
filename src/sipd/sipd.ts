import type { Logger } from '../kit/log.ts'
import type { Metrics } from '../kit/metrics.ts'
import { Admission, type AdmissionPolicy } from './admission.ts'
import { AvoidedServers } from './avoided-servers.ts'
import { CallRecords } from './call-records.ts'
import { SYSTEM_CLOCK, type Clock } from './clock.ts'
import { ControlServer } from './control-server.ts'
import { DialogTable } from './dialog-group.ts'
import { DnsClient } from './dns-client.ts'
import type { Address } from './flow.ts'
import { DEFAULT_POLICY, type SessionTimerPolicy } from './session-timer-terms.ts'
import { SipAgent } from './sip-agent.ts'
import type { SipCore } from './sip-core.ts'
import { DEFAULT_LIMITS, type SipdLimits } from './sipd-limits.ts'
import { createSipdMetrics } from './sipd-metrics.ts'
import { TlsRefusalLog } from './tls-refusal-log.ts'
import { TransactionTable } from './transaction-table.ts'
import { Transports, type ListenAddress, type TlsListeners } from './transports.ts'
import { startWatching, type WatchingOptions } from './watching.ts'

export type SipdOptions = {
  /** Addresses to listen on; port 0 takes a free one. */
  readonly udp: readonly ListenAddress[]
  readonly tcp: readonly ListenAddress[]
  readonly tls?: TlsListeners
  readonly control: { readonly host: string; readonly port: number; readonly secret: string }
  /** DNS servers by numeric address; none: those of the system. */
  readonly resolvers?: readonly Address[]
  /** Who is heard; without it everybody. */
  readonly admission?: AdmissionPolicy
  readonly limits?: Partial<SipdLimits>
  /** The session timer (RFC 4028) that sipd asks for and accepts, so that no call outlives its peer; null: none. */
  readonly sessionTimer?: SessionTimerPolicy | null
  /** Time as the SIP core sees it; only tests move it. */
  readonly clock?: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  /** How long the calls of an application outlive its connection. */
  readonly applicationGraceMs?: number
} & Pick<WatchingOptions, 'traces' | 'homer'>

export type Sipd = {
  readonly addresses: {
    readonly udp: readonly Address[]
    readonly tcp: readonly Address[]
    readonly tls: readonly Address[]
    readonly control: Address
  }
  /** Who is heard from now on, and with which certificate new TLS connections are made. Throws when that is unusable. */
  apply(changed: { readonly admission: AdmissionPolicy; readonly tls?: TlsListeners }): void
  /** Ends every call with BYE, then closes all sockets, within 2 s. May be called twice. */
  close(): Promise<void>
}

const APPLICATION_GRACE_MS = 2_000

/** How often the gauges are set: more often than Prometheus asks. */
const GAUGE_INTERVAL_MS = 5_000

/**
 * Starts a SIP server that speaks the server side of drachtio-server's control protocol, so that drachtio-srf runs on
 * it unchanged. Rejects with a ListenError that says which address could not be opened, and why.
 */
export async function startSipd(options: SipdOptions): Promise<Sipd> {
  const dns = new DnsClient({ servers: options.resolvers ?? [] })
  const limits: SipdLimits = { ...DEFAULT_LIMITS, ...options.limits }
  const metrics = createSipdMetrics(options.metrics)
  // The sockets open before the agent that they feed exists; what comes until then is dropped.
  const wired: { agent: SipAgent | undefined } = { agent: undefined }
  let control: ControlServer | undefined
  const watching = startWatching({ ...options, failed: () => metrics.fault() })
  const refusals = new TlsRefusalLog(options.logger, SYSTEM_CLOCK)
  const admission =
    options.admission === undefined
      ? undefined
      : new Admission({ policy: options.admission, ...options, clock: SYSTEM_CLOCK })
  const transports = await Transports.open({
    udp: options.udp,
    tcp: options.tcp,
    tls: options.tls,
    limits,
    takesConnection: (host) => admission?.takesConnection(host) ?? true,
    onBytes: (bytes, flow) => {
      watching.take('received', bytes, flow)
      wired.agent?.fromNetwork(bytes, flow)
    },
    onSent: (bytes, flow) => watching.take('sent', bytes, flow),
    onTrouble: (transport) => metrics.malformed(transport),
    onLimit: (limit) => metrics.limited(limit),
    onRefused: (refusal) => {
      metrics.tlsRefused(refusal.direction)
      refusals.write(refusal)
    },
  })
  try {
    control = await ControlServer.open({
      host: options.control.host,
      port: options.control.port,
      secret: options.control.secret,
      applicationsMax: limits.applicationsMax,
      hostPorts: () => transports.hostPorts(),
      events: {
        request: (application, frame) => wired.agent?.fromApplication(application, frame),
        gone: (application) => wired.agent?.applicationGone(application),
        malformed: () => metrics.malformed('control'),
      },
    })
  } catch (error) {
    await transports.close()
    watching.close()
    throw error
  }
  const transactions = new TransactionTable()
  const dialogs = new DialogTable()
  const records = new CallRecords(() => control)
  const core: SipCore = {
    transports,
    location: {
      dns,
      chance: Math.random,
      serves: (transport, family) => transports.serves(transport, family),
    },
    avoided: new AvoidedServers(SYSTEM_CLOCK),
    control,
    transactions,
    dialogs,
    records,
    clock: options.clock ?? SYSTEM_CLOCK,
    limits,
    admission,
    sessionTimer: options.sessionTimer === null ? undefined : (options.sessionTimer ?? DEFAULT_POLICY),
    logger: options.logger,
  }
  const agent = new SipAgent(core, { metrics, graceMs: options.applicationGraceMs ?? APPLICATION_GRACE_MS })
  wired.agent = agent
  const gauges = setInterval(() => {
    metrics.counts({
      serverTransactions: transactions.serverCount,
      clientTransactions: transactions.clientCount,
      dialogs: dialogs.size,
      applications: core.control.applications,
    })
  }, GAUGE_INTERVAL_MS)
  let closing: Promise<void> | undefined
  return {
    addresses: {
      udp: transports.addresses('udp'),
      tcp: transports.addresses('tcp'),
      tls: transports.addresses('tls'),
      control: control.address,
    },
    apply: (changed) => {
      if (changed.tls !== undefined) transports.renew(changed.tls.identity)
      admission?.use(changed.admission)
    },
    close: () => {
      closing ??= (async () => {
        clearInterval(gauges)
        await agent.close()
        await core.control.close()
        await transports.close()
        watching.close()
        dns.close()
      })()
      return closing
    },
  }
}
