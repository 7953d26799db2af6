/** Short enough that a guard is back within the time a page needs to say that it was lost. */
export const DELAY_MS_MIN = 100
/** Long enough that a process that cannot start does not eat a core. */
export const DELAY_MS_MAX = 5_000
/** A process that was up this long has started well: the next death is a new story. */
export const UP_MS_MIN = 10_000

/** How long to wait before a process that died is started again: doubled each time, from the start after a good run. */
export function restartDelay(options: { readonly lastDelayMs: number | null; readonly upMs: number }): number {
  if (options.lastDelayMs === null || options.upMs >= UP_MS_MIN) return DELAY_MS_MIN
  return Math.min(options.lastDelayMs * 2, DELAY_MS_MAX)
}
