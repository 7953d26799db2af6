import { countRefusals } from '../../kit/channel.ts'
import type { Identity } from '../../kit/identity.ts'
import type { Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { HostPort } from '../../wire/configuration.ts'
import { VaultClient } from '../vault-client.ts'
import { EgressSentinel } from './egress-sentinel.ts'
import { guardMetrics } from './guard-metrics.ts'
import { listenForSbcs } from './guard-server.ts'
import { OpenWindows } from './open-windows.ts'

export type GuardOptions = {
  /** Where sbcs connect; port 0 takes any. */
  readonly host: string
  readonly port: number
  /** The address that rtpengine reaches this guard by. */
  readonly media: string
  /** At most 1,000, as the greeting to an sbc can name no more. */
  readonly windowsMax: number
  readonly identity: Identity
  readonly vault: HostPort
  readonly logger: Logger
  readonly metrics: Metrics
}

export type Guard = { readonly port: number; close(): Promise<void> }

/** Starts a guard: one process beside one rtpengine. Rejects with the system's error when the port is taken. */
export async function startGuard(options: GuardOptions): Promise<Guard> {
  const { host, port, media, windowsMax, identity, logger, metrics } = options
  const vault = new VaultClient({
    host: options.vault.host,
    port: options.vault.port,
    identity,
    changed: (isOpen) => {
      if (isOpen) logger.info({ peerRole: 'vault' }, 'the vault is connected')
      else logger.warn({ peerRole: 'vault' }, 'the vault is gone')
    },
  })
  const windows = new OpenWindows({
    media,
    windowsMax,
    vault,
    newSentinel: () => new EgressSentinel(),
    clockMs: () => performance.now(),
    dateMs: () => Date.now(),
    logger,
    metrics: guardMetrics(metrics),
  })
  const release = () => {
    windows.close()
    vault.close()
  }
  try {
    const listener = await listenForSbcs({
      host,
      port,
      identity,
      windows,
      windowsMax,
      logger,
      refused: countRefusals(metrics),
    })
    return {
      port: listener.port,
      close: async () => {
        release()
        await listener.close()
      },
    }
  } catch (error) {
    release()
    throw error
  }
}
