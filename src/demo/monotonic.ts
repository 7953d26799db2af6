/** The monotonic clock in us. All processes of one host read the same clock, so their times can be subtracted. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}
