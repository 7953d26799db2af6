import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { LOOK_AHEAD_MS } from '../src/cde/guard/masker.ts'
import { figureOf, runArms, type Arm, type ArmRounds } from './harness/arms.ts'
import { describeMachine, type BenchResult, type Goal, type Plot } from './harness/results.ts'
import { median, ratioOfRounds, type RatioEstimate } from './harness/statistics.ts'
import { PARTS, profileShares, type Part } from './load/guard-profile.ts'
import { MEASURE_MS, runLoad } from './load/load-run.ts'

const WINDOWS = [1, 25, 50, 100, 150] as const
/** What the goals are about. */
const GOAL_WINDOWS = 100
const RATIO_MAX = 2
const LATE_MS_MAX = 5
const RATIO_SEED = 23

/** Packets of so long a time sent at once: what arrives together is cheapest for a bare relay, which need not wake for each. */
const BURST_MS = 5

const bareArm = (windows: number): string => `bare relay, ${windows}`
const guardArm = (windows: number): string => `guard, ${windows}`
const BARE_BURSTS = `bare relay, ${GOAL_WINDOWS} in bursts`
const GUARD_BURSTS = `guard, ${GOAL_WINDOWS} in bursts`

/** What windows cost a guard beside a bare relay of the same packets, and how many of them one core carries. */
export async function benchGuardLoad(options: {
  readonly rounds: number
  readonly say: (line: string) => void
}): Promise<BenchResult> {
  const load = { lookAheadMs: LOOK_AHEAD_MS, cores: cpus().length }
  const arm = (name: string, run: Pick<Parameters<typeof runLoad>[0], 'windows' | 'relay' | 'burstMs'>): Arm => ({
    name,
    measure: async () => ({ figures: await runLoad({ ...load, ...run }) }),
  })
  const arms: readonly Arm[] = [
    ...WINDOWS.flatMap((windows) => [
      arm(bareArm(windows), { windows, relay: 'bare' }),
      arm(guardArm(windows), { windows, relay: 'guard' }),
    ]),
    arm(BARE_BURSTS, { windows: GOAL_WINDOWS, relay: 'bare', burstMs: BURST_MS }),
    arm(GUARD_BURSTS, { windows: GOAL_WINDOWS, relay: 'guard', burstMs: BURST_MS }),
  ]
  const { rounds, dropped } = await runArms(arms, { rounds: options.rounds, warmUp: 0, say: options.say })
  const profileFolder = mkdtempSync(join(tmpdir(), 'tonewall-profile-'))
  try {
    await runLoad({
      ...load,
      windows: GOAL_WINDOWS,
      relay: 'guard',
      nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`],
    })
    return summarise(arms, rounds, dropped, profileShares(profileFolder, MEASURE_MS))
  } finally {
    rmSync(profileFolder, { recursive: true, force: true })
  }
}

function summarise(
  arms: readonly Arm[],
  rounds: ArmRounds,
  dropped: number,
  shares: Readonly<Record<Part, number>>,
): BenchResult {
  const ratioOf = (guard: string, bare: string) =>
    ratioOfRounds(figureOf(rounds, guard, 'cpuUsPerPacket'), figureOf(rounds, bare, 'cpuUsPerPacket'), {
      seed: RATIO_SEED,
    })
  const inBursts = ratioOf(GUARD_BURSTS, BARE_BURSTS)
  const ratioAt = (windows: number) => ratioOf(guardArm(windows), bareArm(windows))
  const names = Object.keys(rounds.get(guardArm(GOAL_WINDOWS))?.[0]?.figures ?? {})
  const perArm = Object.fromEntries(
    arms.map(({ name }) => [
      name,
      Object.fromEntries(names.map((figure) => [figure, spread(figureOf(rounds, name, figure))])),
    ]),
  )
  const ratios = Object.fromEntries(WINDOWS.map((windows) => [windows, ratioAt(windows)]))
  const usPerPacket = median(figureOf(rounds, guardArm(GOAL_WINDOWS), 'cpuUsPerPacket'))
  return {
    bench: 'guard-load',
    question:
      'What does a window cost a guard beside a bare relay of the same packets, and how many does one core carry?',
    method: `A real guard process and a bare relay in Node take turns, each on one core; a load process on another plays ${WINDOWS.join(', ')} windows at a time: 20 ms PCMU both ways, recorded speech, the payer with a key every 1.5 s over it, every other payer with events beside the tones; talk-through, fields open, look-ahead ${LOOK_AHEAD_MS} ms. CPU is that of all threads of the process, by the scheduler's count, over ${MEASURE_MS / 1_000} s after a warm-up. Delays are from each packet's own time of sending.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    data: {
      rounds: rounds.get(bareArm(1))?.length ?? 0,
      dropped,
      arms: perArm,
      ratios,
      ratioInBursts: inBursts,
      shares,
    },
    goals: goals(rounds, { even: ratioAt(GOAL_WINDOWS), inBursts }),
    plots: [
      plotOf(rounds, 'cpuUsPerPacket', 'CPU a packet, both ways', 'us', [bareArm, guardArm]),
      plotOf(rounds, 'toAgentP99Ms', 'Delay of the payer’s packets, p99', 'ms', [bareArm, guardArm]),
      plotOf(rounds, 'cpuShare', 'Part of one core', 'cores', [bareArm, guardArm]),
      {
        title: `Where a guard's CPU goes at ${GOAL_WINDOWS} windows: share of a profile, put on the CPU a packet costs`,
        unit: 'us',
        bars: PARTS.map((name) => {
          const value = shares[name] * usPerPacket
          return { name, value, low: value, high: value }
        }),
      },
    ],
    notes: notes(rounds),
  }
}

function goals(
  rounds: ArmRounds,
  ratios: { readonly even: RatioEstimate; readonly inBursts: RatioEstimate },
): readonly Goal[] {
  const name = guardArm(GOAL_WINDOWS)
  const lateMs = figureOf(rounds, name, 'toAgentP99Ms').map((delayMs) => delayMs - LOOK_AHEAD_MS)
  const lost = figureOf(rounds, name, 'lost').reduce((sum, count) => sum + count, 0)
  const sent = figureOf(rounds, name, 'sent').reduce((sum, count) => sum + count, 0)
  return [
    ...(['even', 'inBursts'] as const).map((way) => {
      const { ratio, low95, high95 } = ratios[way]
      return {
        name: `CPU a packet against a bare relay, ${GOAL_WINDOWS} windows, ${way === 'even' ? 'packets evenly spread' : `bursts every ${BURST_MS} ms`}`,
        goal: `<= ${RATIO_MAX}`,
        measured: `${ratio.toFixed(2)} (${low95.toFixed(2)} to ${high95.toFixed(2)})`,
        met: ratio <= RATIO_MAX,
      }
    }),
    {
      name: `delay beyond the look-ahead at p99, ${GOAL_WINDOWS} windows on one core`,
      goal: `<= ${LATE_MS_MAX} ms`,
      measured: `${median(lateMs).toFixed(1)} ms (${Math.min(...lateMs).toFixed(1)} to ${Math.max(...lateMs).toFixed(1)})`,
      met: median(lateMs) <= LATE_MS_MAX,
    },
    {
      name: `packets lost, ${GOAL_WINDOWS} windows on one core`,
      goal: '0',
      measured: `${lost} of ${sent}`,
      met: lost === 0 && sent > 0,
    },
  ]
}

function notes(rounds: ArmRounds): readonly string[] {
  const at = (figure: string, digits: number) =>
    median(figureOf(rounds, guardArm(GOAL_WINDOWS), figure)).toFixed(digits)
  return [
    `At ${GOAL_WINDOWS} windows the guard's event loop was late by ${at('loopLagP99Ms', 1)} ms at p99 (its own sampling every 10 ms is part of that), a window took ${at('windowKiB', 0)} KiB of memory, and opening all at once took ${at('openMs', 0)} ms.`,
    `The load sent its packets ${at('senderLateP99Ms', 2)} ms late at p99, which is in no delay; the guard waited ${at('coreWaitedMs', 0)} ms for its core in ${MEASURE_MS / 1_000} s, which is. On a machine that does other things these tell how far to believe the delays.`,
    'A bare relay that wakes for each packet spends most on waking; where packets come in bursts it is at its cheapest, so the ratio is given for both.',
    'The agent’s packets go through the guard unheld, so half of all packets cost it little more than the bare relay; the ratio is over both ways.',
    'The split is by wall time of the main thread: where the guard waits for its core, which is mostly after sending, the sockets’ share is too large.',
  ]
}

function plotOf(
  rounds: ArmRounds,
  figure: string,
  title: string,
  unit: string,
  arms: readonly ((windows: number) => string)[],
): Plot {
  return {
    title: `${title}: median of rounds, lowest and highest round, by windows`,
    unit,
    bars: WINDOWS.flatMap((windows) =>
      arms.map((arm) => {
        const { median: value, low, high } = spread(figureOf(rounds, arm(windows), figure))
        return { name: arm(windows), value, low, high }
      }),
    ),
  }
}

function spread(values: readonly number[]): { readonly median: number; readonly low: number; readonly high: number } {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}
