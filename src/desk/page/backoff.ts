const FIRST_MS = 200
/** A desk that was restarted is back on the page within this. */
const LONGEST_MS = 2_000

/** How long to wait before the next attempt: doubling, and spread so that many pages do not come back at one time. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const doubled = Math.min(FIRST_MS * 2 ** Math.min(attempt, 10), LONGEST_MS)
  return doubled * (0.5 + random() / 2)
}
