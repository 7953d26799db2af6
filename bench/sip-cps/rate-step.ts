import { cpus } from 'node:os'
import { cpuUs, pin } from '../load/process-usage.ts'
import type { CpsSite } from './cps-site.ts'
import { SippPair } from './sipp-load.ts'
import { achievedRate } from './sipp-report.ts'

/** A call lasts so long: long enough that set-up and end of different calls overlap as they do in life. */
export const HOLD_MS = 1_000
/** sipp must have begun calls at least at this part of the rate that was asked for. */
const RATE_SHARE_MIN = 0.97

export type RateStep = {
  readonly callsPerSecond: number
  readonly achieved: number
  readonly calls: number
  readonly failed: number
  /** Of both sipps: the first sign that somebody answers late. */
  readonly retransmissions: number
  readonly held: boolean
  /** INVITE to 180, of every call. */
  readonly ringMs: readonly number[]
  /** CPU of each part, all threads, over all calls of the step with their ends. */
  readonly cpuMsPerCall: Readonly<Record<string, number>>
  /** What the processes of signalling took of their one core. */
  readonly coreShare: number
  /** Event loops' delay at p99, of Node processes. */
  readonly loopLagP99Ms: Readonly<Record<string, number>>
  /** The first thing that went wrong, in sipp's words. */
  readonly error: string
}

/** Calls at one rate through a site, and what they cost it. */
export async function runRate(
  site: CpsSite,
  options: { readonly callsPerSecond: number; readonly seconds: number; readonly folder: string },
): Promise<RateStep> {
  const calls = Math.max(2, Math.round(options.callsPerSecond * options.seconds))
  await readLags(site)
  const before = usage(site)
  const startMs = performance.now()
  const pair = await SippPair.start({
    ...options,
    calls,
    holdMs: HOLD_MS,
    sip: site.sip,
    callee: site.callee,
    cores: otherCores(),
  })
  try {
    const { caller, callee, rings, error } = await pair.result()
    const tookMs = performance.now() - startMs
    const after = usage(site)
    const spent = [...after].map(([name, us]) => [name, us - (before.get(name) ?? 0)] as const)
    const signallingUs = spent.reduce((sum, [name, us]) => sum + (site.signalling.has(name) ? us : 0), 0)
    const achieved = achievedRate(rings)
    const failed = calls - caller.succeeded
    return {
      callsPerSecond: options.callsPerSecond,
      achieved,
      calls,
      failed,
      retransmissions: caller.retransmissions + callee.retransmissions,
      held: failed === 0 && achieved >= options.callsPerSecond * RATE_SHARE_MIN,
      ringMs: rings.map(({ ringMs }) => ringMs),
      cpuMsPerCall: Object.fromEntries(spent.map(([name, us]) => [name, us / 1_000 / calls])),
      coreShare: signallingUs / 1_000 / (tookMs - HOLD_MS),
      loopLagP99Ms: await readLags(site),
      error,
    }
  } finally {
    await pair.close()
  }
}

/** One core for what is measured, the others for sipp, media and the rest. */
export function pinSite(site: CpsSite): void {
  const rest = otherCores()
  if (rest === null) return
  for (const pid of [...site.media.values()].flat()) pin(pid, rest)
  for (const pid of [...site.signalling.values()].flat()) pin(pid, String(cpus().length - 1))
}

export function otherCores(): string | null {
  return cpus().length < 2 ? null : `0-${cpus().length - 2}`
}

function usage(site: CpsSite): ReadonlyMap<string, number> {
  return new Map(
    [...site.signalling, ...site.media].map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + cpuUs(pid), 0)]),
  )
}

/** prom-client begins its delays anew with each reading. */
async function readLags(site: CpsSite): Promise<Readonly<Record<string, number>>> {
  const lags = await Promise.all(
    [...site.metrics].map(async ([name, url]) => {
      const text = await (await fetch(url, { signal: AbortSignal.timeout(5_000) })).text()
      const seconds = /^nodejs_eventloop_lag_p99_seconds\{[^}]*\} ([\d.e+-]+)$/m.exec(text)?.[1]
      return [name, Number(seconds) * 1_000] as const
    }),
  )
  return Object.fromEntries(lags)
}
