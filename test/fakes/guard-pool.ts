import type { Identity } from '../../src/kit/identity.ts'
import { createLogger } from '../../src/kit/log.ts'
import { GuardPool } from '../../src/sbc/guard-link.ts'

/** The guards at these ports, all beside the rtpengine `engine`, as an sbc knows them. */
export function guardPool(options: { readonly identity: Identity; readonly ports: readonly number[] }): GuardPool {
  return new GuardPool({
    guards: options.ports.map((port, index) => ({
      name: `guard-${index}`,
      rtpengine: 'engine',
      host: '127.0.0.1',
      port,
      media: '127.0.0.1',
      windowsMax: 10,
      metricsPort: 0,
    })),
    owner: 'abcdefghijklmnop',
    identity: options.identity,
    logger: createLogger({ role: 'test', level: 'silent' }),
  })
}
