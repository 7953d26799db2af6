import { once } from 'node:events'
import t from 'tap'
import { startGuard } from '../../../src/cde/guard/guard.ts'
import { parseVaultMessage, type ReportRequest } from '../../../src/cde/vault-protocol.ts'
import { listenChannel } from '../../../src/kit/channel.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { connect } from 'node:tls'
import { eventually } from '../../fakes/eventually.ts'
import { sharedIdentity } from '../../fakes/shared-certificates.ts'

const start = async (port: number, vaultPort = 1) =>
  startGuard({
    name: 'guard-1',
    merchant: 'shop',
    host: '127.0.0.1',
    port,
    media: '127.0.0.1',
    windowsMax: 10,
    identity: sharedIdentity('guard'),
    vault: { host: '127.0.0.1', port: vaultPort },
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

t.test('who is turned away at its door is told to the vault, with an address', async (t) => {
  const told: ReportRequest[] = []
  const vault = await listenChannel<{ readonly type: 'recorded' }, NonNullable<ReturnType<typeof parseVaultMessage>>>({
    host: '127.0.0.1',
    port: 0,
    identity: sharedIdentity('vault'),
    allow: ['guard'],
    logger: createLogger({ role: 'vault', level: 'silent' }),
    accept: () => ({
      parse: parseVaultMessage,
      message: (message, _body, reply) => {
        if (message.type === 'report') told.push(message)
        reply({ type: 'recorded' })
      },
      closed: () => undefined,
    }),
  })
  const guard = await start(0, vault.port)
  const { certificate, key, authority } = sharedIdentity('desk')
  const stranger = connect({
    host: '127.0.0.1',
    port: guard.port,
    cert: certificate,
    key,
    ca: authority,
    servername: 'guard.tonewall.internal',
  })
  stranger.on('error', () => undefined)
  await once(stranger, 'close')
  await eventually(() => told.length > 0, 10_000)
  t.match(told, [{ event: 'peer_refused', cause: 'wrong_role', instance: 'guard-1 127.0.0.1 x1', merchant: 'shop' }])
  await guard.close()
  await vault.close()
})
