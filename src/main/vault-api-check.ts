import type { Configuration } from '../wire/configuration.ts'
import type { Report } from './configuration-check.ts'

/** Names of merchants and clients: each once, and none that is not there. Two persons are two names, whatever their roles. */
export function checkVaultApi(
  { vault: { merchants, guardMerchants, api } }: Pick<Configuration, 'vault'>,
  report: Report,
): void {
  const names = merchants.map(({ name }) => name)
  names.forEach((name, index) => {
    if (names.indexOf(name) === index) return
    report(['vault', 'merchants'], 'names a merchant twice', 'give each its own name')
  })
  guardMerchants.forEach((merchant) => {
    if (names.includes(merchant)) return
    report(['vault', 'guardMerchants'], `there is no merchant ${merchant}`, `use some of: ${names.join(', ')}`)
  })
  api?.clients.forEach((client, index) => {
    const path = ['vault', 'api', 'clients', index]
    const twin = api.clients.findIndex(({ name }) => name === client.name)
    if (twin !== index) report([...path, 'name'], 'this name is taken already', 'give each client its own name')
    client.merchants.forEach((merchant, at) => {
      if (names.includes(merchant)) return
      report([...path, 'merchants', at], 'no merchant has this name', `use one of: ${names.join(', ')}`)
    })
  })
}
