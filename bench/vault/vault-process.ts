import { startVault } from '../../src/cde/vault/vault.ts'
import { createLogger } from '../../src/kit/log.ts'
import { Metrics } from '../../src/kit/metrics.ts'
import { sharedIdentity } from '../../test/fakes/shared-certificates.ts'
import { MERCHANT } from './card-fill.ts'
import type { FromVault, ToVault } from './vault-protocol.ts'

/** The vault as it is, with its door, in a process of its own. */
let vault: { close(): Promise<void> } | null = null

function say(message: FromVault): void {
  process.send?.(message)
}

async function start({ dataDir, postgresql }: Extract<ToVault, { readonly type: 'start' }>): Promise<void> {
  const started = await startVault({
    dataDir,
    ...(postgresql === null ? {} : { postgresql }),
    host: '127.0.0.1',
    port: 0,
    identity: sharedIdentity('vault'),
    merchants: [{ name: MERCHANT }],
    logger: createLogger({ role: 'vault', level: 'error' }),
    metrics: new Metrics('vault'),
  })
  vault = started
  say({ type: 'listening', port: started.port })
}

process.on('message', (message: ToVault) => {
  if (message.type === 'start') void start(message)
  else
    void vault?.close().then(() => process.send?.({ type: 'closed' } satisfies FromVault, () => process.disconnect?.()))
})
