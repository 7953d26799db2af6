import t from 'tap'
import { MERCHANT } from '../../../bench/vault/card-fill.ts'
import { openBenchStore } from '../../../bench/vault/bench-store.ts'
import { panOf } from '../../../bench/vault/numbered-card.ts'
import { openVault, type Vault } from '../../../src/cde/vault/vault.ts'
import { composeCardBody } from '../../../src/cde/card-body.ts'
import { createLogger } from '../../../src/kit/log.ts'
import { Metrics } from '../../../src/kit/metrics.ts'
import { bareSyncsPerSecond } from '../../../bench/vault/fdatasync-floor.ts'

t.setTimeout(90_000)

for (const name of ['SQLite', 'PostgreSQL'] as const) {
  t.test(`the bench fills a table on ${name} in which the vault goes on`, { timeout: 80_000 }, async (t) => {
    const store = await openBenchStore(name)
    t.teardown(() => store.close())
    const open = (): Promise<Vault> =>
      openVault({
        dataDir: store.dataDir,
        ...(store.postgresql === null ? {} : { postgresql: store.postgresql }),
        merchants: [{ name: MERCHANT }],
        logger: createLogger({ role: 'vault', level: 'silent' }),
        metrics: new Metrics('vault'),
      })
    await (await open()).close()
    await store.fill(1_000)
    t.same(await store.count(), { cards: 1_000, requests: 0 })
    const vault = await open()
    const card = { pan: panOf(1), expiry: Uint8Array.of(1, 2, 3, 9), cardCode: new Uint8Array(0) }
    const reply = await vault.service.handle(
      { type: 'tokenize', merchant: MERCHANT, windowId: 'bench', idempotencyKey: 'bench-card-1' },
      composeCardBody(card),
      { role: 'guard', origin: 'guard.test' },
    )
    t.match(reply, { type: 'tokenized' })
    await vault.close()
    t.same(await store.count(), { cards: 1_001, requests: 1 })
    t.ok(bareSyncsPerSecond({ folder: store.folder, appendBytes: 512, forMs: 20 }) > 0)
  })
}
