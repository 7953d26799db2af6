/** How many keys a sequence reader got right: the longest common subsequence of what was keyed and what was read. */
export function scoreKeys(keyed: string, read: string): number {
  let above = new Uint32Array(read.length + 1)
  for (const key of keyed) {
    const row = new Uint32Array(read.length + 1)
    for (let at = 1; at <= read.length; at += 1) {
      row[at] = read[at - 1] === key ? (above[at - 1] ?? 0) + 1 : Math.max(above[at] ?? 0, row[at - 1] ?? 0)
    }
    above = row
  }
  return above[read.length] ?? 0
}
