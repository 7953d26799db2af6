import t from 'tap'
import type { Configuration } from '../../src/wire/configuration.ts'
import { checkVaultApi } from '../../src/main/vault-api-check.ts'
import {
  completeGuardMerchants,
  completeMerchants,
  completeVaultApi,
  type WrittenVaultApi,
} from '../../src/main/vault-api-defaults.ts'

function problems(
  merchants: readonly string[],
  clients: WrittenVaultApi['clients'],
  guardMerchants: readonly string[] = [],
): readonly string[] {
  const found: string[] = []
  const site = { merchant: 'shop', connectorUrl: null }
  const vault = {
    merchants: completeMerchants(
      merchants.map((name) => ({ name })),
      site,
    ),
    guardMerchants: completeGuardMerchants(guardMerchants, 'shop'),
    api: completeVaultApi({ host: '::1', port: 1, clients }, 'shop'),
  } as Configuration['vault']
  checkVaultApi({ vault }, (path, problem) => found.push(`${path.join('.')} ${problem}`))
  return found
}

t.test('names are each given once, and are of merchants that are there', (t) => {
  t.same(problems(['other'], [{ name: 'billing', role: 'charger', merchants: ['shop', 'other'] }]), [])
  t.same(problems(['other', 'other'], []), ['vault.merchants names a merchant twice'])
  t.same(
    problems(
      [],
      [
        { name: 'ann', role: 'detokenizer' },
        { name: 'ann', role: 'approver', merchants: ['nobody'] },
      ],
    ),
    [
      'vault.api.clients.1.name this name is taken already',
      'vault.api.clients.1.merchants.0 no merchant has this name',
    ],
  )
  t.same(problems(['other'], [], ['other']), [])
  t.same(problems(['other'], [], ['other', 'nobody']), ['vault.guardMerchants there is no merchant nobody'])
  t.end()
})
