import { countRefusals } from '../../kit/channel.ts'
import type { Identity } from '../../kit/identity.ts'
import type { Logger } from '../../kit/log.ts'
import type { Metrics } from '../../kit/metrics.ts'
import type { HostPort } from '../../wire/configuration.ts'
import { VaultClient } from '../vault-client.ts'
import { AuditOutbox } from './audit-outbox.ts'
import { EgressSentinel, type Sentinel } from './egress-sentinel.ts'
import { guardMetrics } from './guard-metrics.ts'
import { listenForSbcs } from './guard-server.ts'
import { OpenWindows } from './open-windows.ts'
import { SelfTests } from './self-test/self-tests.ts'
import { WindowRecord } from './window-record.ts'
import type { NewMasker } from './window-media.ts'

export type GuardOptions = {
  /** As the configuration and the audit record call it. */
  readonly name: string
  readonly merchant: string
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
  /** For tests that must see what happens when masking fails: no configuration reaches these. */
  readonly newMasker?: NewMasker
  readonly newSentinel?: () => Sentinel
  /** False in tests that have no vault: windows open all the same, and nobody writes them down. */
  readonly recordsWindows?: boolean
}

/** An act of people belongs to none. */
const NO_WINDOW = 'none'

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
  const dateMs = () => Date.now()
  const clockMs = () => performance.now()
  const counted = guardMetrics(metrics)
  const outbox = new AuditOutbox({ vault, instance: options.name, dateMs, logger, metrics })
  const selfTests = new SelfTests({
    host: media,
    clockMs,
    logger,
    metrics: counted,
    failed: ({ windowId, code }) => {
      logger.error({ windowId, code }, 'a self-test failed')
      outbox.add({ event: 'self_test_failed', cause: code, merchant: options.merchant, windowId })
    },
  })
  const windows = new OpenWindows({
    media,
    windowsMax,
    vault,
    newSentinel: options.newSentinel ?? (() => new EgressSentinel()),
    ...(options.newMasker === undefined ? {} : { newMasker: options.newMasker }),
    audit: (failed) => void outbox.add({ event: 'masking_failed', ...failed }),
    ...(options.recordsWindows === false
      ? {}
      : { record: new WindowRecord({ vault, outbox, instance: options.name, dateMs }) }),
    testWindow: (windowId) => selfTests.find(windowId),
    clockMs,
    dateMs,
    logger,
    metrics: counted,
  })
  const release = () => {
    windows.close()
    selfTests.close()
    outbox.close()
    vault.close()
  }
  try {
    const listener = await listenForSbcs({
      host,
      port,
      identity,
      windows,
      selfTests,
      windowsMax,
      report: ({ event, cause, by, occurredMs }) =>
        outbox.add({ event, cause, occurredMs, instance: by, merchant: options.merchant, windowId: NO_WINDOW }),
      logger,
      refused: countRefusals(metrics),
      record: ({ code, address, count }) =>
        void outbox.add({
          event: 'peer_refused',
          cause: code,
          instance: [options.name, address, 'x' + String(count)].join(' '),
          merchant: options.merchant,
          windowId: NO_WINDOW,
        }),
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
