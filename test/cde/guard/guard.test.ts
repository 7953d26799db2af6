import t from 'tap'
import { startGuard } from '../../../src/cde/guard/guard.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { sharedIdentity } from '../../fakes/shared-certificates.ts'

const start = async (port: number) =>
  startGuard({
    name: 'guard-1',
    merchant: 'shop',
    host: '127.0.0.1',
    port,
    media: '127.0.0.1',
    windowsMax: 10,
    identity: sharedIdentity('guard'),
    vault: { host: '127.0.0.1', port: 1 },
    logger: createLogger({ role: 'guard', level: 'silent' }),
    metrics: new Metrics('guard'),
  })

t.test('a guard starts without its vault, listens, and closes twice', async (t) => {
  const guard = await start(0)
  t.ok(guard.port > 0)
  await guard.close()
  await guard.close()
})

t.test('a port that is taken is the system’s own error', async (t) => {
  const guard = await start(0)
  await t.rejects(start(guard.port), { code: 'EADDRINUSE' })
  await guard.close()
})
