/** A session is renewed this often at most, and only after input. */
const RENEW_EVERY_MS = 60_000
/** The page says so this long before it signs out. */
const WARN_MS = 60_000
const CHECK_EVERY_MS = 1_000
const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const

/**
 * Watches for input on the page (PCI DSS 8.2.8). `renew` is called when there was some, `warn` when the session is about
 * to end for want of it, and `end` when it has.
 */
export function watchIdle(options: {
  readonly idleMs: number
  readonly renew: () => void
  readonly warn: (soon: boolean) => void
  readonly end: () => void
}): { close(): void } {
  let inputAtMs = Date.now()
  let renewedAtMs = Date.now()
  let warned = false
  const heard = () => (inputAtMs = Date.now())
  for (const input of INPUTS) addEventListener(input, heard, { passive: true })
  // The clock on the wall, since the other one stands still while the computer sleeps.
  const timer = setInterval(() => {
    const nowMs = Date.now()
    if (inputAtMs > renewedAtMs && nowMs - renewedAtMs >= RENEW_EVERY_MS) {
      renewedAtMs = nowMs
      options.renew()
    }
    const leftMs = inputAtMs + options.idleMs - nowMs
    if (leftMs <= 0) {
      options.end()
      return
    }
    const soon = leftMs <= WARN_MS
    if (soon !== warned) options.warn(soon)
    warned = soon
  }, CHECK_EVERY_MS)
  return {
    close: () => {
      clearInterval(timer)
      for (const input of INPUTS) removeEventListener(input, heard)
    },
  }
}
