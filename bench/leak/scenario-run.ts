import { Histogram } from './histogram.ts'
import { JUDGES, Panel, type JudgeName, type Verdicts } from './judges/panel.ts'
import type { Verdict } from './judges/judge.ts'
import { LeakMeasure, type LeakFigures } from './leak-measure.ts'
import { maskCall } from './masked-line.ts'
import { payerPackets } from './payer-packets.ts'
import { CHANCE, type Scenario } from './scenario.ts'
import { makeStimulus } from './stimulus.ts'
import type { Voice } from './voices.ts'

/** What one scenario came to: the schema of bench/results/leak.json. */
export type ScenarioResult = LeakFigures & {
  readonly name: string
  readonly axis: Scenario['axis']
  readonly at: number
  readonly keys: number
  readonly chance: number
  readonly judges: Verdicts
  /** The same judges on what the payer sent and the network let through: what they could read at all. */
  readonly control: Readonly<Record<JudgeName, Verdict & { readonly blind: boolean }>>
  /** 99th percentile from a packet's coming to its leaving. */
  readonly delayMs: number
  readonly lookAheadMs: number
  /** Packets that the sentinel kept back. */
  readonly alarms: number
  /** Packets that left and were no audio. */
  readonly foreign: number
  readonly audioSeconds: number
  readonly cpuSeconds: number
}

export type ScenarioRunOptions = {
  readonly keys: number
  readonly seed: number
  readonly voices: readonly Voice[]
  readonly lookAheadMs?: number
}

/** So many keys tell whether a judge can read at all; more would cost time and tell no more. */
const CONTROL_KEYS_MAX = 2_000

/** A judge whose control names no more than this is blind in this scenario: what it does not read there proves nothing. */
export const BLIND_BELOW = 2 * CHANCE

/** Runs one scenario, call by call: stimulus, payer's packets, masker and sentinel, judges. */
export async function runScenario(scenario: Scenario, options: ScenarioRunOptions): Promise<ScenarioResult> {
  const startedMs = process.cpuUsage()
  const { offset } = scenario
  const lookAheadMs = options.lookAheadMs ?? scenario.lookAheadMs
  const agentSide = new Panel({ offset, seed: options.seed })
  const payerSide = new Panel({ offset, seed: options.seed + 1 })
  const measure = new LeakMeasure()
  const delays = new Histogram({ stepMs: 0.25, maxMs: 1_000 })
  let alarms = 0
  let foreign = 0
  let samples = 0
  try {
    const calls = Math.ceil(options.keys / scenario.keysPerCall)
    const controlCalls = Math.min(calls, Math.ceil(CONTROL_KEYS_MAX / scenario.keysPerCall))
    for (let call = 0; call < calls; call += 1) {
      const seed = callSeed(options.seed, call)
      const stimulus = makeStimulus(scenario, { seed, voices: options.voices })
      const { presses } = stimulus
      const masked = maskCall(payerPackets(scenario, stimulus, seed + 1), {
        samples: stimulus.audio.length,
        law: scenario.law,
        seed: seed + 2,
        lookAheadMs,
      })
      measure.add(stimulus, masked)
      for (const { delayMs } of masked.sent) if (delayMs !== null) delays.add(delayMs)
      alarms += masked.alarms
      foreign += masked.foreign
      samples += stimulus.audio.length
      await agentSide.hear({ samples: masked.heard, presses, changed: masked.changed, sent: masked.sent })
      if (call < controlCalls) await payerSide.hear({ samples: masked.arrived, presses })
    }
    const judges = await agentSide.verdicts()
    const control = await payerSide.verdicts()
    const spent = process.cpuUsage(startedMs)
    return {
      name: scenario.name,
      axis: scenario.axis,
      at: scenario.at,
      keys: judges.learned.keys,
      chance: CHANCE,
      judges,
      control: controlOf(control),
      ...measure.figures(),
      delayMs: delays.quantile(0.99),
      lookAheadMs,
      alarms,
      foreign,
      audioSeconds: Math.round(samples / 8_000),
      cpuSeconds: Math.round((spent.user + spent.system) / 1e5) / 10,
    }
  } finally {
    agentSide.close()
    payerSide.close()
  }
}

function controlOf(verdicts: Verdicts): ScenarioResult['control'] {
  const mark = (name: JudgeName) => ({
    ...verdicts[name],
    blind: verdicts[name].hits < BLIND_BELOW * verdicts[name].keys,
  })
  const [multimon, spandsp, matchedFilter, learned] = JUDGES
  return {
    multimon: mark(multimon),
    spandsp: mark(spandsp),
    matchedFilter: mark(matchedFilter),
    learned: mark(learned),
  }
}

/** Calls of one scenario lie far apart in the generator, and no two scenarios share one. */
function callSeed(seed: number, call: number): number {
  return (Math.imul(seed, 0x9e3779b1) + Math.imul(call, 0x85ebca6b)) >>> 0
}
