import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 5

/** Waits until a condition holds; throws after withinMs. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 4_000): Promise<void> {
  const untilMs = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error('the condition did not come true')
    await delay(LOOK_EVERY_MS)
  }
}
