import t from 'tap'
import { vaultMetrics } from '../../../src/cde/vault/vault-metrics.ts'
import { Metrics } from '../../../src/kit/metrics.ts'

t.test('the gauge of card codes is read when it is asked for', async (t) => {
  const metrics = new Metrics('vault')
  const codes = { size: 0 }
  vaultMetrics(metrics, codes)
  codes.size = 3
  t.match(await metrics.registry.metrics(), 'tonewall_vault_card_codes{role="vault"} 3')
})

t.test('every name begins with the product and the room', async (t) => {
  const metrics = new Metrics('vault')
  vaultMetrics(metrics, { size: 0 })
  const names = (await metrics.registry.getMetricsAsJSON()).map(({ name }) => name)
  t.ok(names.length >= 5 && names.every((name) => name.startsWith('tonewall_vault_')))
})
