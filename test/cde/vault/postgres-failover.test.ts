import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { verifyAudit } from '../../../src/cde/vault/audit-chain.ts'
import { auditRecords } from '../../../src/cde/vault/audit-tail.ts'
import type { PostgresOptions } from '../../../src/cde/vault/postgres-connection.ts'
import { openCard } from '../../../src/cde/vault/sealed-card.ts'
import { openVault, type Vault } from '../../../src/cde/vault/vault.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { eventually } from '../../fakes/eventually.ts'
import { PostgresServer } from '../../fakes/postgres-server.ts'
import { digits, numberedPan, testCard } from '../../fakes/test-card.ts'
import { GUARD } from './open-test-vault.ts'
import { newDatabase } from './postgres-database.ts'

const WITHIN_MS = 60_000
/** Guards that ask at once, of each vault. */
const ASKERS = 4

function open(dataDir: string, postgresql: PostgresOptions): Promise<Vault> {
  const logger = createLogger({ role: 'vault', level: 'silent' })
  return openVault({ dataDir, postgresql, merchants: [{ name: 'shop' }], logger, metrics: new Metrics('vault') })
}

/** Asks for the token of a card as the guard's client does: again, under the same key, until there is one. */
async function tokenFor(vault: Vault, index: number, untilMs: number): Promise<string | null> {
  while (performance.now() < untilMs) {
    const reply = await vault.service.handle(
      { type: 'tokenize', merchant: 'shop', windowId: 'w', idempotencyKey: `request-${index}` },
      composeCardBody({ ...testCard(), pan: digits(numberedPan(index)) }),
      GUARD,
    )
    if (reply.type === 'tokenized') return reply.token
    if (reply.type !== 'refused' || reply.code !== 'store_failed') throw new Error('an answer that nobody expects')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return null
}

/** Every token that was acknowledged is there, opens to its card, and is told again; and the chain is one. */
async function holdAll(t: Test, vault: Vault, acknowledged: ReadonlyMap<number, string>): Promise<void> {
  for (const [index, token] of acknowledged) {
    const row = await vault.store.card({ merchant: 'shop', token })
    if (row === null) {
      t.fail('an acknowledged token is gone')
      continue
    }
    const { keyId, key } = await vault.keyRing.keyById(row.keyId)
    const card = openCard(row.sealed, key, { keyId, merchant: 'shop', token })
    if (card?.pan.join('') !== numberedPan(index)) t.fail('a token opens to another card')
  }
  t.match(await verifyAudit(auditRecords(vault.store)), { kind: 'intact' })
}

t.test('no acknowledged token is lost by kill -9 of the server, nor by a standby that takes over', async (t) => {
  const primary = await PostgresServer.start()
  t.teardown(() => primary.close())
  const database = await newDatabase(primary)
  const standby = await primary.standby()
  t.teardown(() => standby.close())
  await primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
  await primary.sql('SELECT pg_reload_conf()')
  await eventually(async () => {
    const [row] = await primary.sql('SELECT sync_state FROM pg_stat_replication')
    return row?.['sync_state'] === 'sync'
  }, WITHIN_MS)

  const servers = [primary, standby].map(({ folder, port }) => ({ host: folder, port }))
  const folder = t.testdir()
  const vaults = [await open(folder, { ...database, servers }), await open(folder, { ...database, servers })]
  const acknowledged = new Map<number, string>()
  const untilMs = performance.now() + WITHIN_MS
  let next = 0
  let ending = false
  const ask = async (): Promise<void> => {
    while (!ending && performance.now() < untilMs) {
      const index = next
      next += 1
      const tokens = await Promise.all(vaults.map((vault) => tokenFor(vault, index, untilMs)))
      const [token] = tokens
      if (token === undefined || token === null) t.fail('a card got no token in time')
      else acknowledged.set(index, token)
      if (new Set(tokens).size !== 1) t.fail('two vaults gave one card two tokens')
    }
  }
  const askers = Array.from({ length: ASKERS }, ask)
  const more = (): Promise<void> => {
    const enough = acknowledged.size + 40
    return eventually(() => acknowledged.size >= enough, WITHIN_MS)
  }
  await more()
  await primary.kill()
  await primary.restart()
  await more()
  await primary.kill()
  await standby.promote()
  await more()
  ending = true
  await Promise.all(askers)
  const [one, other] = vaults
  if (one === undefined || other === undefined) throw new Error('there are two vaults')
  await holdAll(t, one, acknowledged)
  t.comment(`${acknowledged.size} tokens acknowledged by two vaults`)
  await Promise.all([one.close(), other.close()])
})

t.test(
  'vaults of several processes make one chain; one that is killed holds up nobody and loses nothing',
  async (t) => {
    const server = await PostgresServer.start()
    t.teardown(() => server.close())
    const database = await newDatabase(server)
    const folder = t.testdir()
    // Makes the key file, and the merchants' keys.
    const vault = await open(folder, database)
    const acknowledged = new Map<number, string>()
    const lives = [0, 1].map(async (life) => {
      const program = join(import.meta.dirname, 'tokenizing-child.ts')
      // The same cards in both: a card has one token, whoever asks.
      const child = spawn(process.execPath, [program, folder, '0', JSON.stringify(database)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let text = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (text.split('\n').length > 100 + 100 * life) child.kill('SIGKILL')
      })
      const [, signal] = (await once(child, 'close')) as [number | null, string | null]
      if (signal !== 'SIGKILL') t.fail('the child ended by itself')
      for (const line of text.slice(0, text.lastIndexOf('\n')).split('\n')) {
        const [index, token = ''] = line.split(' ')
        if ((acknowledged.get(Number(index)) ?? token) !== token) t.fail('two processes gave one card two tokens')
        acknowledged.set(Number(index), token)
      }
    })
    await Promise.all(lives)
    await holdAll(t, vault, acknowledged)
    for (const [index, token] of [...acknowledged].slice(0, 20)) {
      t.equal(await tokenFor(vault, index, performance.now() + WITHIN_MS), token)
    }
    await vault.close()
  },
)
