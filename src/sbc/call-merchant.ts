import type { Trunk, Trunks } from './trunks.ts'

/**
 * Whose cards are taken on a call: as its route says, else the trunk that it comes from, else the one that it goes to, else
 * the site's own. It is decided when the call is answered, and stays whatever legs are replaced later.
 */
export function callMerchant(options: {
  readonly trunks: Pick<Trunks, 'routeMerchant'>
  readonly caller: Pick<Trunk, 'name' | 'merchant'>
  readonly callee: Pick<Trunk, 'merchant'>
  /** The called number, as the routes know it. */
  readonly number: string
  /** The site's own. */
  readonly merchant: string
}): string {
  const { trunks, caller, callee, number, merchant } = options
  return trunks.routeMerchant({ from: caller.name, number }) ?? caller.merchant ?? callee.merchant ?? merchant
}
