import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const LOOK_EVERY_MS = 25

/** True when the process has ended (a zombie has), false when the deadline passes first. */
export async function processGone(pid: number, options: { readonly deadlineMs: number }): Promise<boolean> {
  const endMs = performance.now() + options.deadlineMs
  while (performance.now() < endMs) {
    if (hasEnded(pid)) return true
    await delay(LOOK_EVERY_MS)
  }
  return hasEnded(pid)
}

function hasEnded(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return true
  try {
    const stat = readFileSync(file, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return true
  }
}
