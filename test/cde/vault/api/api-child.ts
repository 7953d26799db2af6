import { writeSync } from 'node:fs'
import { listenApi } from '../../../../src/cde/vault/api/api-server.ts'
import { ApiService } from '../../../../src/cde/vault/api/api-service.ts'
import { createLogger } from '../../../../src/kit/log.ts'
import { openTestVault } from '../open-test-vault.ts'

/** A vault with an API, until it is killed. Argument 2 is JSON: its folder, certificates, and the acquirer. Its port is written to standard output. */
const { folder, identity, url, authority } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly folder: string
  readonly identity: { readonly certificate: string; readonly key: string; readonly authority: string }
  readonly url: string
  readonly authority: string
}
const vault = await openTestVault(folder, {
  merchants: [{ name: 'shop', connector: { url, authority: Buffer.from(authority) } }],
})
const limits = { requestsPerMinute: 10_000, cardsPerMinute: 10_000, merchants: ['shop'] }
const logger = createLogger({ role: 'vault', level: 'silent' })
const service = new ApiService({
  parts: vault.parts,
  clients: [
    { name: 'billing', role: 'charger', ...limits },
    { name: 'ann', role: 'detokenizer', ...limits },
  ],
  logger,
  clockMs: () => performance.now(),
})
const { port } = await listenApi({
  host: '127.0.0.1',
  port: 0,
  service,
  logger,
  identity: {
    role: 'vault',
    certificate: Buffer.from(identity.certificate),
    key: Buffer.from(identity.key),
    authority: Buffer.from(identity.authority),
  },
})
writeSync(1, `${port}\n`)
