import crypto, { type CipherGCM } from 'node:crypto'
import { writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { CARD_CODE_MS_MAX } from '../../../src/cde/vault/card-code-memory.ts'
import type { PostgresOptions } from '../../../src/cde/vault/postgres-connection.ts'
import { startVault } from '../../../src/cde/vault/vault.ts'
import { readIdentity } from '../../../src/kit/identity.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'

/**
 * A vault in a process of its own, whose memory is searched from outside. Its argument is SearchedVault as JSON. Writes its port, then a line
 * for each card code that it seals: nonce, tag and ciphertext in hexadecimal. A line on standard input lets the time of card codes pass.
 * Whoever started it kills it.
 */
export type SearchedVault = {
  readonly dataDir: string
  readonly certificates: string
  readonly acquirer: { readonly url: string; readonly authority: string }
  readonly postgresql: PostgresOptions | null
}

/** Searching takes its time while the acquirer holds its answer back. */
const ANSWER_MS_MAX = 120_000

/** Whoever searches knows a seal by all its bytes in a row, as one buffer of the vault alone holds them; here they are told in pieces. */
function tellSealsOfCodes(): void {
  const { createCipheriv } = crypto
  const telling = (...given: Parameters<typeof createCipheriv>) => {
    const cipher = createCipheriv(...given) as CipherGCM
    const setAAD = cipher.setAAD.bind(cipher)
    const update = cipher.update.bind(cipher) as unknown as (plain: Buffer) => Buffer
    const getAuthTag = cipher.getAuthTag.bind(cipher)
    let isCode = false
    let ciphertext = ''
    return Object.assign(cipher, {
      setAAD: (context: Buffer) => {
        isCode = context.includes('card-code')
        return setAAD(context)
      },
      update: (plain: Buffer) => {
        const bytes = update(plain)
        if (isCode) ciphertext = bytes.toString('hex')
        return bytes
      },
      getAuthTag: () => {
        const tag = getAuthTag()
        const nonce = Buffer.from(given[2] as Buffer)
        if (isCode) writeSync(1, `${nonce.toString('hex')} ${tag.toString('hex')} ${ciphertext}\n`)
        return tag
      },
    })
  }
  Object.assign(crypto, { createCipheriv: telling })
  syncBuiltinESMExports()
}

const { dataDir, certificates, acquirer, postgresql } = JSON.parse(process.argv[2] ?? '') as SearchedVault
tellSealsOfCodes()
let laterMs = 0
const vault = await startVault({
  dataDir,
  ...(postgresql === null ? {} : { postgresql }),
  host: '127.0.0.1',
  port: 0,
  identity: readIdentity({ folder: certificates, role: 'vault' }),
  merchants: [
    {
      name: 'shop',
      connector: { url: acquirer.url, authority: Buffer.from(acquirer.authority), deadlineMs: ANSWER_MS_MAX },
    },
  ],
  logger: createLogger({ role: 'vault', level: 'silent' }),
  metrics: new Metrics('vault'),
  nowMs: () => Date.now() + laterMs,
})
writeSync(1, `${vault.port}\n`)
process.stdin.on('data', () => (laterMs += CARD_CODE_MS_MAX))
