import { describeMachine, type BenchResult, type Goal, type Plot } from '../harness/results.ts'
import { median, quantile } from '../harness/statistics.ts'
import type { CpsPlan, CpsRun, SiteName } from '../sip-cps.ts'
import type { LiveCalls, Memory } from './live-calls.ts'
import { HOLD_MS, type RateStep } from './rate-step.ts'

/** What the goals are about. */
const SIPD_MS_MAX = 3
const SUSTAINED = 150
const DELAY_RATE = 30
const DELAY_MS_MAX = 15
const LIVE_BYTES_MAX = 2 ** 30
const MIB = 2 ** 20

const TITLES: Readonly<Record<SiteName, string>> = {
  direct: 'direct',
  kamailio: 'kamailio + rtpengine',
  bare: 'sipd + bare B2BUA, no media',
  tonewall: 'Tonewall',
}
const NAMES = Object.keys(TITLES) as SiteName[]

/** One arm at one rate, over all rounds. */
type Row = {
  readonly callsPerSecond: number
  readonly rounds: number
  readonly heldRounds: number
  readonly achieved: number
  readonly calls: number
  readonly failed: number
  readonly retransmissions: number
  readonly ringMs: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Beyond the median of the direct arm at the same rate. */
  readonly addedMs: { readonly p50: number; readonly p99: number }
  readonly cpuMsPerCall: Readonly<
    Record<string, { readonly median: number; readonly low: number; readonly high: number }>
  >
  readonly coreShare: number
  readonly loopLagP99Ms: Readonly<Record<string, number>>
}

export function summarise(run: CpsRun, plan: CpsPlan): BenchResult {
  const rates = plan.steps.map(({ callsPerSecond }) => callsPerSecond)
  const directMs = (rate: number) => quantile(ringsAt(run, 'direct', rate), 0.5)
  const rowsOf = (name: SiteName): readonly Row[] =>
    rates.flatMap((rate) => {
      const steps = stepsAt(run, name, rate)
      return steps.length === 0 ? [] : [rowOf(steps, rate, directMs(rate))]
    })
  const rows = {
    direct: rowsOf('direct'),
    kamailio: rowsOf('kamailio'),
    bare: rowsOf('bare'),
    tonewall: rowsOf('tonewall'),
  }
  const live = Object.fromEntries([...run.live].map(([name, calls]) => [name, liveRow(calls)]))
  return {
    bench: 'sip-cps',
    question: 'How many calls a second are set up and ended, how much later does it ring, and what does a call cost?',
    method: `sipp calls sipp over UDP: an offer, 180 and 200 at once, ${HOLD_MS} ms, BYE. Between them in turn: nothing, Debian's kamailio (two workers) with rtpengine in the least configuration that relays, sipd under the barest drachtio-srf B2BUA without media, and the whole product, its media anchored in rtpengine (no RTP flows). Two rtpengines share the calls. Signalling (kamailio, or sipd and what drives it) has one core; sipp, rtpengine and the rest have the others, here ${describeMachine().cores} in all. Each rate is held ${plan.steps.map(({ callsPerSecond, seconds }) => `${callsPerSecond}/s for ${seconds} s`).join(', ')}, after a warm-up of ${plan.warmUp.seconds} s; a rate is held when no call failed and sipp kept the rate. The delay is from the caller's INVITE to its 180, by the caller's clock; the direct arm's median at the same rate is taken off. CPU is that of all threads by the scheduler's count, over the calls of a step with their ends. Memory is proportional set size.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    data: { rounds: plan.rounds, rows, live },
    goals: goals(rows, run.live.get('tonewall')),
    plots: plots(rows, rates),
    notes: [
      'For comparison, measured apart on the same kind of machine: drachtio-server under a bare drachtio-srf B2BUA without media held 200 calls/s at 3.1 ms (server) and 1.5 ms (application) of CPU a call.',
      'CPU a call falls with the rate: at few calls each message wakes a process by itself, at many several are handled in one turn.',
      'sipp, which plays both ends, and rtpengine share the other core; where that core is full, sipp no longer keeps the rate and the step does not count as held.',
    ],
  }
}

function stepsAt(run: CpsRun, name: SiteName, rate: number): readonly RateStep[] {
  return run.steps[name].filter(({ callsPerSecond }) => callsPerSecond === rate)
}

function ringsAt(run: CpsRun, name: SiteName, rate: number): readonly number[] {
  return stepsAt(run, name, rate).flatMap(({ ringMs }) => ringMs)
}

function rowOf(steps: readonly RateStep[], callsPerSecond: number, directMs: number): Row {
  const sum = (value: (step: RateStep) => number) => steps.reduce((total, step) => total + value(step), 0)
  const rings = steps.flatMap(({ ringMs }) => ringMs)
  const [p50, p99, max] = [quantile(rings, 0.5), quantile(rings, 0.99), quantile(rings, 1)]
  const names = Object.keys(steps[0]?.cpuMsPerCall ?? {})
  const lags = Object.keys(steps[0]?.loopLagP99Ms ?? {})
  return {
    callsPerSecond,
    rounds: steps.length,
    heldRounds: steps.filter(({ held }) => held).length,
    achieved: median(steps.map(({ achieved }) => achieved)),
    calls: sum(({ calls }) => calls),
    failed: sum(({ failed }) => failed),
    retransmissions: sum(({ retransmissions }) => retransmissions),
    ringMs: { p50, p99, max },
    addedMs: { p50: p50 - directMs, p99: p99 - directMs },
    cpuMsPerCall: Object.fromEntries(
      names.map((name) => [name, spread(steps.map((step) => step.cpuMsPerCall[name] ?? NaN))]),
    ),
    coreShare: median(steps.map(({ coreShare }) => coreShare)),
    loopLagP99Ms: Object.fromEntries(
      lags.map((name) => [name, median(steps.map((step) => step.loopLagP99Ms[name] ?? NaN))]),
    ),
  }
}

function liveRow({ calls, failed, before, during }: LiveCalls) {
  return {
    calls,
    failed,
    beforeMiB: inMib(before),
    duringMiB: inMib(during),
    mibPerThousandCalls: Object.fromEntries(
      Object.entries(during).map(([name, bytes]) => [name, ((bytes - (before[name] ?? 0)) / MIB / calls) * 1_000]),
    ),
  }
}

function goals(rows: Readonly<Record<SiteName, readonly Row[]>>, live: LiveCalls | undefined): readonly Goal[] {
  const at = (rate: number) => rows.tonewall.find(({ callsPerSecond }) => callsPerSecond === rate)
  const [sustained, slow] = [at(SUSTAINED), at(DELAY_RATE)]
  const sipd = sustained?.cpuMsPerCall['sipd']
  const ofBoth = live === undefined ? Number.NaN : sumOf(live.during, ['sipd', 'sbc'])
  const ofAll = live === undefined ? Number.NaN : sumOf(live.during, Object.keys(live.during))
  return [
    {
      name: `sipd's CPU a call at ${SUSTAINED} calls/s`,
      goal: `<= ${SIPD_MS_MAX} ms`,
      measured:
        sipd === undefined
          ? 'not reached'
          : `${sipd.median.toFixed(2)} ms (${sipd.low.toFixed(2)} to ${sipd.high.toFixed(2)})`,
      met: (sipd?.median ?? Infinity) <= SIPD_MS_MAX,
    },
    {
      name: `${SUSTAINED} calls/s with media anchored, sbc and sipd on one core`,
      goal: 'no call fails',
      measured:
        sustained === undefined
          ? 'not reached'
          : `${sustained.failed} of ${sustained.calls} failed at ${sustained.achieved.toFixed(0)} calls/s, ${(sustained.coreShare * 100).toFixed(0)} % of the core`,
      met: sustained !== undefined && sustained.heldRounds === sustained.rounds,
    },
    {
      name: `added post-dial delay at p99, ${DELAY_RATE} calls/s`,
      goal: `<= ${DELAY_MS_MAX} ms`,
      measured:
        slow === undefined
          ? 'not reached'
          : `${slow.addedMs.p99.toFixed(1)} ms (p50 ${slow.addedMs.p50.toFixed(1)} ms)`,
      met: (slow?.addedMs.p99 ?? Infinity) <= DELAY_MS_MAX,
    },
    {
      name: `memory of sbc and sipd with ${live?.calls ?? 0} live calls`,
      goal: '< 1 GiB',
      measured: `${(ofBoth / MIB).toFixed(0)} MiB (all processes of the product with rtpengine ${(ofAll / MIB).toFixed(0)} MiB), ${live?.failed ?? 0} calls failed`,
      met: ofBoth < LIVE_BYTES_MAX && live?.failed === 0,
    },
  ]
}

function plots(rows: Readonly<Record<SiteName, readonly Row[]>>, rates: readonly number[]): readonly Plot[] {
  const bars = (
    names: readonly SiteName[],
    value: (row: Row) => { value: number; low: number; high: number },
  ): Plot['bars'] =>
    rates.flatMap((rate) =>
      names.flatMap((name) => {
        const row = rows[name].find(({ callsPerSecond }) => callsPerSecond === rate)
        return row === undefined ? [] : [{ name: `${TITLES[name]}, ${rate}/s`, ...value(row) }]
      }),
    )
  const signalling = NAMES.filter((name) => name !== 'direct')
  return [
    {
      title: 'Added post-dial delay by calls/s: median, and p99 as the end of the line',
      unit: 'ms',
      bars: bars(signalling, ({ addedMs }) => ({
        value: Math.max(0, addedMs.p50),
        low: Math.max(0, addedMs.p50),
        high: addedMs.p99,
      })),
    },
    {
      title: 'CPU a call of signalling: kamailio, sipd and application, sipd and sbc',
      unit: 'ms',
      bars: bars(signalling, ({ cpuMsPerCall }) => ({
        value: signallingMs(cpuMsPerCall, 'median'),
        low: signallingMs(cpuMsPerCall, 'low'),
        high: signallingMs(cpuMsPerCall, 'high'),
      })),
    },
  ]
}

const SIGNALLING = ['kamailio', 'sipd', 'sbc', 'application']

function signallingMs(cpu: Row['cpuMsPerCall'], figure: 'median' | 'low' | 'high'): number {
  return SIGNALLING.reduce((sum, name) => sum + (cpu[name]?.[figure] ?? 0), 0)
}

function sumOf(memory: Memory, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (memory[name] ?? Number.NaN), 0)
}

function inMib(memory: Memory): Memory {
  return Object.fromEntries(Object.entries(memory).map(([name, bytes]) => [name, bytes / MIB]))
}

function spread(values: readonly number[]) {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}
