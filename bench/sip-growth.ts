import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { eventually } from '../test/fakes/eventually.ts'
import { describeMachine, type BenchResult } from './harness/results.ts'
import { residentBytes } from './load/process-usage.ts'
import type { CpsSite } from './sip-cps/cps-site.ts'
import { fitLine, type LineFit } from './sip-cps/line-fit.ts'
import { startProductSite } from './sip-cps/product-site.ts'
import { pinSite, runRate } from './sip-cps/rate-step.ts'

/** A rate that the product carries with ease, so that the time goes into calls and not into repairs. */
const CALLS_PER_SECOND = 100
/** Memory is read so many times, each after a rest. */
const POINTS = 10
/** Transactions are remembered for 32 s after their end (RFC 3261 Timers D, H and J). */
const REST_MS = 34_000
/** What starts up, warms up and fills pools is before this point. */
const FIRST_POINT = 2
const HEAP_MS_MAX = 10_000
const ROLES = ['sipd', 'sbc'] as const
/** What a leak of one small object a call would be: so little of it over a whole run does not show. */
const BYTES_PER_CALL_MAX = 50
const KIB = 1_024
const MIB = 2 ** 20

export type GrowthPoint = {
  readonly calls: number
  /** Heap after a full collection, and memory of the whole process, in bytes. */
  readonly heap: Readonly<Record<string, number>>
  readonly resident: Readonly<Record<string, number>>
}

export type GrowthRun = { readonly points: readonly GrowthPoint[]; readonly failed: number }

/** Whether sipd and the sbc keep something of calls that ended: so many minutes of calls, with a rest now and then. */
export async function benchSipGrowth(options: {
  readonly minutes: number
  readonly say: (line: string) => void
}): Promise<BenchResult> {
  const callsMs = options.minutes * 60_000 - POINTS * REST_MS
  const calls = Math.max(POINTS, Math.round((callsMs / 1_000 / POINTS) * CALLS_PER_SECOND))
  const run = await runGrowth({
    points: POINTS,
    calls,
    callsPerSecond: CALLS_PER_SECOND,
    restMs: REST_MS,
    say: options.say,
  })
  return summarise(run)
}

export async function runGrowth(options: {
  readonly points: number
  /** Between two points. */
  readonly calls: number
  readonly callsPerSecond: number
  readonly restMs: number
  readonly say: (line: string) => void
}): Promise<GrowthRun> {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-growth-'))
  const program = pathToFileURL(join(import.meta.dirname, 'sip-cps/collected-heap.ts'))
  program.searchParams.set('folder', folder)
  const flags = ['--expose-gc', '--import', program.href]
  const site = await startProductSite({ nodeFlags: { sipd: flags, sbc: flags } })
  const points: GrowthPoint[] = []
  let failed = 0
  try {
    pinSite(site)
    for (let point = 1; point <= options.points; point += 1) {
      const seconds = options.calls / options.callsPerSecond
      const step = await runRate(site, { callsPerSecond: options.callsPerSecond, seconds, folder })
      failed += step.failed
      await delay(options.restMs)
      const heap: Record<string, number> = {}
      const resident: Record<string, number> = {}
      for (const role of ROLES) {
        heap[role] = await heapOf(pidOf(site, role), folder)
        resident[role] = residentBytes(pidOf(site, role))
      }
      points.push({ calls: point * options.calls, heap, resident })
      const shown = ROLES.map((role) => `${role} ${((heap[role] ?? 0) / MIB).toFixed(2)} MiB`).join(', ')
      options.say(`after ${point * options.calls} calls, ${failed} failed: heap ${shown} ${step.error}`)
    }
  } finally {
    await site.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { points, failed }
}

function pidOf(site: CpsSite, role: string): number {
  const pid = site.signalling.get(role)?.[0]
  if (pid === undefined) throw new Error('the site has no such process')
  return pid
}

async function heapOf(pid: number, folder: string): Promise<number> {
  const file = join(folder, `heap-${pid}`)
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  const read = (): number => {
    try {
      return Number(readFileSync(file, 'utf8'))
    } catch {
      return 0
    }
  }
  await eventually(() => read() > 0, HEAP_MS_MAX)
  return read()
}

function summarise({ points, failed }: GrowthRun): BenchResult {
  const settled = points.slice(FIRST_POINT)
  const fit = (kind: 'heap' | 'resident', role: string): LineFit =>
    fitLine(settled.map((point) => ({ x: point.calls, y: point[kind][role] ?? Number.NaN })))
  const fits = Object.fromEntries(
    ROLES.map((role) => [role, { heap: fit('heap', role), resident: fit('resident', role) }]),
  )
  const total = points.at(-1)?.calls ?? 0
  return {
    bench: 'sip-growth',
    question: 'Do sipd and the sbc keep something of calls that ended?',
    method: `The whole product, ${CALLS_PER_SECOND} calls/s of ${total} in all, as in sip-cps. ${POINTS} times there is a rest of ${REST_MS / 1_000} s, so that every transaction has ended (RFC 3261 Timers D, H, J); then garbage is collected and the heap is read, and the memory of the process. A line is laid through the points from the ${FIRST_POINT + 1}rd on; its slope has a 95 % interval.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    data: { points, fits, failed },
    goals: [
      ...ROLES.map((role) => {
        const { slope, low95, high95 } = fit('heap', role)
        return {
          name: `growth of the ${role}'s heap a call, over ${total} calls`,
          goal: `< ${BYTES_PER_CALL_MAX} bytes`,
          measured: `${slope.toFixed(1)} bytes (${low95.toFixed(1)} to ${high95.toFixed(1)})`,
          met: high95 < BYTES_PER_CALL_MAX,
        }
      }),
      { name: `calls that failed of ${total}`, goal: '0', measured: String(failed), met: failed === 0 },
    ],
    plots: (['heap', 'resident'] as const).map((kind) => ({
      title: kind === 'heap' ? 'Heap after a collection, by calls made' : 'Memory of the process, by calls made',
      unit: 'MiB',
      bars: ROLES.flatMap((role) =>
        points.map((point) => {
          const value = (point[kind][role] ?? 0) / MIB
          return { name: `${role}, ${point.calls / 1_000}k`, value, low: value, high: value }
        }),
      ),
    })),
    notes: [
      `The memory of a process follows its heap late and never falls quite back: ${ROLES.map((role) => `${role} ${((fits[role]?.resident.slope ?? 0) / KIB).toFixed(2)} KiB a call`).join(', ')}.`,
    ],
  }
}
