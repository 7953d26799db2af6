type Ranked = { readonly priority: number; readonly weight: number }

/**
 * The order in which several are tried, as RFC 2782 does it for SRV records: the lowest priority first, and within one
 * priority at random, each one's chance being its weight; those of weight 0 come last. `chance` gives 0 to below 1.
 */
export function weightedOrder<Item extends Ranked>(items: readonly Item[], chance: () => number): readonly Item[] {
  const left = [...items].sort((one, other) => one.priority - other.priority)
  const order: Item[] = []
  while (left.length > 0) {
    const lowest = left[0]?.priority
    const equals = left.filter(({ priority }) => priority === lowest)
    const drawn = draw(equals, chance)
    order.push(drawn)
    left.splice(left.indexOf(drawn), 1)
  }
  return order
}

function draw<Item extends Ranked>(equals: readonly Item[], chance: () => number): Item {
  const total = equals.reduce((sum, { weight }) => sum + weight, 0)
  let until = chance() * total
  const found = equals.find(({ weight }) => {
    until -= weight
    return weight > 0 && until < 0
  })
  const [first] = equals
  if (first === undefined) throw new Error('nothing to draw from')
  return found ?? first
}
