import type { Configuration } from '../wire/configuration.ts'
import type { Report } from './configuration-check.ts'

/** Merchants of trunks and routes: each is one that the vault knows and lets guards act for, and none is left to which trunk answers. */
export function checkCallMerchants({ trunks, routes, vault }: Configuration, report: Report): void {
  const names = vault.merchants.map(({ name }) => name)
  for (const [key, list] of Object.entries({ trunks, routes })) {
    list.forEach(({ merchant }, index) => {
      if (merchant === null || vault.guardMerchants.includes(merchant)) return
      const path = [key, index, 'merchant']
      if (names.includes(merchant)) {
        report(path, 'is a merchant that guards may not act for', `add ${merchant} to vault.guardMerchants`)
      } else {
        report(path, 'no merchant of the vault has this name', `use one of: ${names.join(', ')}`)
      }
    })
  }
  const merchants = new Map(trunks.map(({ name, merchant }) => [name, merchant]))
  routes.forEach(({ from, to, merchant }, index) => {
    if ((merchant ?? merchants.get(from) ?? null) !== null) return
    const answering = new Set(to.map(({ trunk }) => merchants.get(trunk) ?? null))
    if (answering.size < 2) return
    report(
      ['routes', index, 'to'],
      'leads to trunks of several merchants, and whichever answers would decide whose the card is',
      'add the merchant of the route',
    )
  })
}
