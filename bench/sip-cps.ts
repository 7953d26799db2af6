import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abbaOrder } from './harness/arms.ts'
import type { BenchResult } from './harness/results.ts'
import { startBareSite } from './sip-cps/bare-site.ts'
import { startDirectSite } from './sip-cps/direct-site.ts'
import { startKamailioSite } from './sip-cps/kamailio-site.ts'
import { runLiveCalls, type LiveCalls } from './sip-cps/live-calls.ts'
import { pinSite, runRate, type RateStep } from './sip-cps/rate-step.ts'
import { startProductSite } from './sip-cps/product-site.ts'
import type { CpsSite } from './sip-cps/cps-site.ts'
import { summarise } from './sip-cps/summary.ts'

/** Rates in calls/s with how long each is held, in s: the slowest needs time for a p99, the goal's is to be sustained. */
const STEPS = [
  { callsPerSecond: 30, seconds: 15 },
  { callsPerSecond: 60, seconds: 6 },
  { callsPerSecond: 100, seconds: 6 },
  { callsPerSecond: 150, seconds: 15 },
  { callsPerSecond: 200, seconds: 6 },
] as const
/** Code that has just started is slow: these calls are not counted. */
const WARM_UP = { callsPerSecond: 100, seconds: 8 } as const
/** kamailio keeps nothing of a call, so fewer of them show what rtpengine takes. */
const PROXIED_SHARE = 0.4
const LIVE = { calls: 5_000, callsPerSecond: 100, standMs: 6_000 } as const
/** Each arm is started anew in each round. */
export const ROUNDS = 2

/** The four arms, in this order. */
export const SITES = {
  direct: startDirectSite,
  kamailio: startKamailioSite,
  bare: startBareSite,
  tonewall: startProductSite,
} as const satisfies Readonly<Record<string, () => Promise<CpsSite>>>
export type SiteName = keyof typeof SITES
export type SiteSteps = Readonly<Record<SiteName, readonly RateStep[]>>

export type CpsPlan = {
  readonly rounds: number
  readonly steps: readonly { readonly callsPerSecond: number; readonly seconds: number }[]
  readonly warmUp: { readonly callsPerSecond: number; readonly seconds: number }
  readonly live: { readonly calls: number; readonly callsPerSecond: number; readonly standMs: number }
}

export type CpsRun = {
  readonly steps: SiteSteps
  readonly live: ReadonlyMap<'kamailio' | 'tonewall', LiveCalls>
}

/** Calls a second, post-dial delay, CPU and memory of the product beside nothing, kamailio and a bare B2BUA. */
export async function benchSipCps(options: {
  readonly rounds: number
  readonly say: (line: string) => void
}): Promise<BenchResult> {
  const plan = { rounds: options.rounds, steps: STEPS, warmUp: WARM_UP, live: LIVE }
  return summarise(await runCps(plan, options.say), plan)
}

export async function runCps(plan: CpsPlan, say: (line: string) => void): Promise<CpsRun> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-sipp-'))
  const names = Object.keys(SITES) as SiteName[]
  const steps: Record<SiteName, RateStep[]> = { direct: [], kamailio: [], bare: [], tonewall: [] }
  try {
    for (const order of abbaOrder(names.length, plan.rounds)) {
      for (const index of order) {
        const name = names[index]
        if (name === undefined) continue
        await withSite(name, async (site) => {
          if (name !== 'direct') await runRate(site, { ...plan.warmUp, folder })
          for (const step of plan.steps) {
            const measured = await runRate(site, { ...step, folder })
            steps[name].push(measured)
            say(
              `${site.name}, ${step.callsPerSecond} calls/s: ${measured.failed} of ${measured.calls} calls failed ${measured.error}`,
            )
            // What hangs about after a failure would spoil the next rate.
            if (measured.failed > 0) break
          }
        })
      }
    }
    const live = new Map<'kamailio' | 'tonewall', LiveCalls>()
    for (const name of ['kamailio', 'tonewall'] as const) {
      await withSite(name, async (site) => {
        await runRate(site, { ...plan.warmUp, folder })
        const calls = Math.round(plan.live.calls * (name === 'kamailio' ? PROXIED_SHARE : 1))
        live.set(name, await runLiveCalls(site, { ...plan.live, calls, folder }))
        say(`${site.name}, ${calls} calls stood at one time`)
      })
    }
    return { steps, live }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function withSite(name: SiteName, use: (site: CpsSite) => Promise<void>): Promise<void> {
  const site = await SITES[name]()
  try {
    pinSite(site)
    await use(site)
  } finally {
    await site.close()
  }
}
