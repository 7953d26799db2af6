import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../test/fakes/eventually.ts'
import type { CpsSite } from './cps-site.ts'
import { proportionalBytes } from '../load/process-usage.ts'
import { otherCores } from './rate-step.ts'
import { SippPair } from './sipp-load.ts'

/** Beyond the ramp; a busy machine may be late. */
const RAMP_MS_MAX = 60_000

/** Memory in bytes, shared pages divided among those who share them, by part of the site. */
export type Memory = Readonly<Record<string, number>>

export type LiveCalls = {
  readonly calls: number
  readonly failed: number
  readonly before: Memory
  readonly during: Memory
}

/** What so many calls that stand at one time take of memory. */
export async function runLiveCalls(
  site: CpsSite,
  options: {
    readonly calls: number
    readonly callsPerSecond: number
    /** All calls stand together for so long. */
    readonly standMs: number
    readonly folder: string
  },
): Promise<LiveCalls> {
  const { calls, callsPerSecond, standMs } = options
  const before = memoryOf(site)
  const rampMs = (calls / callsPerSecond) * 1_000
  const pair = await SippPair.start({
    ...options,
    holdMs: Math.round(rampMs + standMs),
    sip: site.sip,
    callee: site.callee,
    cores: otherCores(),
  })
  try {
    await eventually(() => pair.ringing() >= calls || !pair.isCalling, rampMs + RAMP_MS_MAX)
    await delay(standMs / 2)
    const during = memoryOf(site)
    const { caller } = await pair.result()
    return { calls, failed: calls - caller.succeeded, before, during }
  } finally {
    await pair.close()
  }
}

export function memoryOf(site: CpsSite): Memory {
  return Object.fromEntries(
    [...site.signalling, ...site.media].map(([name, pids]) => [
      name,
      pids.reduce((sum, pid) => sum + proportionalBytes(pid), 0),
    ]),
  )
}
