import t from 'tap'
import { summarise } from '../../../bench/sip-cps/summary.ts'
import type { RateStep } from '../../../bench/sip-cps/rate-step.ts'
import type { CpsPlan, CpsRun } from '../../../bench/sip-cps.ts'

const PLAN: CpsPlan = {
  rounds: 1,
  steps: [
    { callsPerSecond: 30, seconds: 1 },
    { callsPerSecond: 150, seconds: 1 },
  ],
  warmUp: { callsPerSecond: 100, seconds: 1 },
  live: { calls: 5_000, callsPerSecond: 100, standMs: 1_000 },
}
const MIB = 2 ** 20

function step(callsPerSecond: number, change: Partial<RateStep> = {}): RateStep {
  return {
    callsPerSecond,
    achieved: callsPerSecond,
    calls: 100,
    failed: 0,
    retransmissions: 0,
    held: true,
    ringMs: [1, 2, 3],
    cpuMsPerCall: { sipd: 2, sbc: 3 },
    coreShare: 0.5,
    loopLagP99Ms: { sipd: 11 },
    error: '',
    ...change,
  }
}

function runOf(tonewall: readonly RateStep[], sipdMib: number): CpsRun {
  return {
    steps: { direct: [step(30), step(150)], kamailio: [], bare: [], tonewall },
    live: new Map([
      [
        'tonewall',
        {
          calls: 5_000,
          failed: 0,
          before: { sipd: 100 * MIB, sbc: 100 * MIB },
          during: { sipd: sipdMib * MIB, sbc: 300 * MIB },
        },
      ],
    ]),
  }
}

t.test('goals are met by a run that is good', (t) => {
  const result = summarise(runOf([step(30, { ringMs: [10, 12, 14] }), step(150)], 400), PLAN)
  t.same(
    result.goals.map(({ met }) => met),
    [true, true, true, true],
  )
  t.match(result.goals[2]?.measured, /^12\.0 ms \(p50 10\.0 ms\)/, 'without the direct arm’s median')
  t.match(JSON.stringify(result.data['live']), /"sipd":60/, 'MiB a thousand calls')
  t.end()
})

t.test('each goal is missed by a run that misses it', (t) => {
  const slow = step(30, { ringMs: [10, 12, 18] })
  const dear = step(150, { cpuMsPerCall: { sipd: 3.1, sbc: 3 }, failed: 1, held: false })
  t.same(
    summarise(runOf([slow, dear], 800), PLAN).goals.map(({ met }) => met),
    [false, false, false, false],
  )
  t.end()
})

t.test('a rate that was never reached meets nothing', (t) => {
  t.same(
    summarise({ ...runOf([], 400), live: new Map() }, PLAN).goals.map(({ met }) => met),
    [false, false, false, false],
  )
  t.end()
})
