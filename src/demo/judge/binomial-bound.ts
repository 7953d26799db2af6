/**
 * The one-sided 99 % upper bound of a probability after some hits in some tries (Clopper and Pearson 1934):
 * the largest p under which so few hits still have a chance of 1 %.
 */
export function upperBound99(count: { readonly hits: number; readonly tries: number }): number {
  if (count.tries === 0 || count.hits >= count.tries) return 1
  let low = count.hits / count.tries
  let high = 1
  for (let step = 0; step < BISECTIONS; step += 1) {
    const middle = (low + high) / 2
    if (atMost(count, middle) > 0.01) low = middle
    else high = middle
  }
  return high
}

/** Halvings of the unit interval: far below any figure that is shown. */
const BISECTIONS = 50

/** The chance of at most so many hits when each try hits with probability p. */
function atMost(count: { readonly hits: number; readonly tries: number }, p: number): number {
  let sum = 0
  let logTerm = count.tries * Math.log1p(-p)
  for (let hits = 0; hits <= count.hits; hits += 1) {
    sum += Math.exp(logTerm)
    logTerm += Math.log((count.tries - hits) / (hits + 1)) + Math.log(p) - Math.log1p(-p)
  }
  return sum
}
