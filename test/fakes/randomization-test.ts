import type { SeededRandom } from './seeded-random.ts'

/** One thing that was measured, under the label that chance gave it. */
export type Labelled = { readonly label: string; readonly value: number }

/**
 * The chance that labels which mean nothing would part the values as well as these do: the statistic of Kruskal and
 * Wallis (ranks, so that a few packets of a machine that stood still weigh little), against the same with the labels
 * dealt anew. Exact for any distribution and any dependence in time, as long as chance dealt the labels in the first place.
 */
export function randomizationTest(
  values: readonly Labelled[],
  options: { readonly deals: number; readonly random: SeededRandom },
): number {
  const ranks = ranksOf(values.map(({ value }) => value))
  const labels = values.map(({ label }) => label)
  const seen = statistic(ranks, labels)
  let asGood = 1
  for (let deal = 0; deal < options.deals; deal += 1) {
    if (statistic(ranks, dealt(labels, options.random)) >= seen - 1e-9) asGood += 1
  }
  return asGood / (options.deals + 1)
}

/** Kruskal and Wallis 1952, without the factors that dealing anew leaves as they are. */
function statistic(ranks: readonly number[], labels: readonly string[]): number {
  const sums = new Map<string, { sum: number; count: number }>()
  ranks.forEach((rank, index) => {
    const label = labels[index] ?? ''
    const group = sums.get(label) ?? { sum: 0, count: 0 }
    group.sum += rank
    group.count += 1
    sums.set(label, group)
  })
  return [...sums.values()].reduce((total, { sum, count }) => total + (sum * sum) / count, 0)
}

/** 1 for the smallest; equal values share the mean of their ranks. */
function ranksOf(values: readonly number[]): readonly number[] {
  const order = values.map((value, index) => ({ value, index })).sort((a, b) => a.value - b.value)
  const ranks: number[] = Array.from({ length: values.length }, () => 0)
  for (let from = 0; from < order.length;) {
    let to = from
    while (to + 1 < order.length && order[to + 1]?.value === order[from]?.value) to += 1
    for (let at = from; at <= to; at += 1) ranks[order[at]?.index ?? 0] = (from + to) / 2 + 1
    from = to + 1
  }
  return ranks
}

/** Fisher and Yates. */
function dealt(labels: readonly string[], random: SeededRandom): readonly string[] {
  const cards = [...labels]
  for (let last = cards.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1)
    const card = cards[last] ?? ''
    cards[last] = cards[other] ?? ''
    cards[other] = card
  }
  return cards
}
