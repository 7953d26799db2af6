import { writeSync } from 'node:fs'
import { startVault } from '../../../src/cde/vault/vault.ts'
import { readIdentity } from '../../../src/kit/identity.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'

/**
 * A vault in a process of its own, whose memory is searched from outside. Arguments: data folder, folder of certificates,
 * url of the acquirer, PEM of its certificate. Writes its port; ends when standard input does.
 */
const [, , dataDir = '', certificates = '', url = '', authority = ''] = process.argv
const vault = await startVault({
  dataDir,
  host: '127.0.0.1',
  port: 0,
  identity: readIdentity({ folder: certificates, role: 'vault' }),
  merchants: [{ name: 'shop', connector: { url, authority: Buffer.from(authority) } }],
  logger: createLogger({ role: 'vault', level: 'silent' }),
  metrics: new Metrics('vault'),
})
writeSync(1, `${vault.port}\n`)
process.stdin.resume().once('end', () => void vault.close())
