import { startGuard, type Guard, type GuardOptions } from '../../src/cde/guard/guard.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { GuardPool } from '../../src/sbc/guard-link.ts'
import type { GuardService } from '../../src/sbc/guard-service.ts'
import { RtpengineControl } from '../../src/sbc/rtpengine-control.ts'
import { eventually } from './eventually.ts'
import { startRtpengine, type Rtpengine } from './rtpengine.ts'
import { sharedIdentity } from './shared-certificates.ts'

const logger = createLogger({ role: 'test', level: 'silent' })

export type SelfTestSiteOptions = Partial<GuardOptions> & { readonly service?: GuardService }

/** A real guard beside a real rtpengine, as an sbc has them, without SIP. The guard can be broken on purpose. */
export class SelfTestSite {
  readonly engine: Rtpengine
  readonly control: RtpengineControl
  readonly guards: GuardPool
  readonly guardMetrics: Metrics
  readonly #guard: Guard

  private constructor(parts: Pick<SelfTestSite, 'engine' | 'control' | 'guards' | 'guardMetrics'>, guard: Guard) {
    this.engine = parts.engine
    this.control = parts.control
    this.guards = parts.guards
    this.guardMetrics = parts.guardMetrics
    this.#guard = guard
  }

  static async start(options: SelfTestSiteOptions = {}): Promise<SelfTestSite> {
    const { service, ...broken } = options
    const engine = await startRtpengine()
    const guardMetrics = new Metrics('guard')
    const guard = await startGuard({
      name: 'guard-0',
      merchant: 'shop',
      host: '127.0.0.1',
      port: 0,
      media: '127.0.0.1',
      windowsMax: 10,
      identity: sharedIdentity('guard'),
      vault: { host: '127.0.0.1', port: 1 },
      recordsWindows: false,
      logger,
      metrics: guardMetrics,
      ...broken,
    })
    const guards = new GuardPool({
      guards: [
        {
          name: 'guard-0',
          rtpengine: 'engine',
          host: '127.0.0.1',
          port: guard.port,
          media: '127.0.0.1',
          windowsMax: 10,
          metricsPort: 0,
        },
      ],
      owner: 'abcdefghijklmnop',
      identity: sharedIdentity('sbc'),
      logger,
      ...(service === undefined ? {} : { service }),
    })
    await eventually(() => guards.upCount === 1)
    const control = new RtpengineControl({ host: '127.0.0.1', port: engine.port, logger })
    return new SelfTestSite({ engine, control, guards, guardMetrics }, guard)
  }

  async close(): Promise<void> {
    this.guards.close()
    this.control.close()
    await this.#guard.close()
    await this.engine.close()
  }
}
