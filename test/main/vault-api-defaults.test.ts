import t from 'tap'
import { completeGuardMerchants, completeMerchants, completeVaultApi } from '../../src/main/vault-api-defaults.ts'

const site = { merchant: 'shop', connectorUrl: 'https://acquirer.test/' }
const tokens = { format: 'letters', reuse: 'reusable', lifetimeSeconds: null }

t.test('the merchant of the site is there without being written, and first when it is', (t) => {
  t.same(completeMerchants([], site), [{ name: 'shop', connectorUrl: 'https://acquirer.test/', tokens }])
  const written = [
    { name: 'other', connectorUrl: null, tokens: { format: 'digits', lifetimeSeconds: 60 } },
    { name: 'shop', tokens: { reuse: 'single' } },
  ] as const
  t.same(completeMerchants(written, site), [
    { name: 'shop', connectorUrl: 'https://acquirer.test/', tokens: { ...tokens, reuse: 'single' } },
    { name: 'other', connectorUrl: null, tokens: { ...tokens, format: 'digits', lifetimeSeconds: 60 } },
  ])
  t.end()
})

t.test('guards act for the merchant of the site, and for others that are named', (t) => {
  t.same(completeGuardMerchants([], 'shop'), ['shop'])
  t.same(completeGuardMerchants(['other', 'shop'], 'shop'), ['shop', 'other'])
  t.end()
})

t.test('there is no API unless it is written, and its clients have limits', (t) => {
  t.equal(completeVaultApi(null, 'shop'), null)
  t.same(
    completeVaultApi({ host: '::1', port: 9211, clients: [{ name: 'billing', role: 'charger' }] }, 'shop')?.clients,
    [{ name: 'billing', role: 'charger', merchants: ['shop'], requestsPerMinute: 600, cardsPerMinute: 60 }],
  )
  t.end()
})
