import type { SrvRecord } from './dns-client.ts'

/**
 * The order in which the servers of an SRV answer are tried (RFC 2782): by priority, and within one priority at random,
 * a server's chance being its weight. `chance` gives numbers from 0 to below 1.
 */
export function orderServers(records: readonly SrvRecord[], chance: () => number): SrvRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.flatMap((wanted) =>
    drawn(
      records.filter(({ priority }) => priority === wanted),
      chance,
    ),
  )
}

function drawn(records: readonly SrvRecord[], chance: () => number): SrvRecord[] {
  // Those of weight 0 stand first, so that they have a small chance beside others (RFC 2782, "Weight").
  const left = [...records].sort((a, b) => Number(a.weight > 0) - Number(b.weight > 0))
  const order: SrvRecord[] = []
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0)
    const wanted = Math.floor(chance() * (total + 1))
    let sum = 0
    const index = left.findIndex(({ weight }) => (sum += weight) >= wanted)
    order.push(...left.splice(Math.max(index, 0), 1))
  }
  return order
}
