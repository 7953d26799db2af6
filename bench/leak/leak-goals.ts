import type { Goal } from '../harness/results.ts'
import { JUDGES, type JudgeName } from './judges/panel.ts'
import type { LeakResult, ScenarioOutcome } from './leak-result.ts'
import { CHANCE } from './scenario.ts'
import type { ScenarioResult } from './scenario-run.ts'

/** What an attacker may reach: chance and one point. */
export const BOUND_MAX = CHANCE + 0.01
const SILENCED_MS_MAX = 30
const SPEECH_PART_MAX = 0.005
const DELAY_OVER_MS_MAX = 5
/** One in three hours. */
const FALSE_PER_HOUR_MAX = 1 / 3

/** What was asked, what came out, and by how much it is missed. */
export function goalsOf(result: Pick<LeakResult, 'scenarios' | 'realPath' | 'speech' | 'capture'>): readonly Goal[] {
  const { scenarios, speech, capture, realPath } = result
  return [
    ...(scenarios.length === 0 ? [] : gridGoals(scenarios)),
    ...(speech === null ? [] : speechGoals(speech)),
    ...(capture === null ? [] : captureGoals(capture)),
    ...(realPath === null ? [] : realPathGoals(realPath)),
  ]
}

/** The worst bound of any judge, and whose. */
export function worstBound(judges: ScenarioResult['judges']): { readonly judge: JudgeName; readonly upper99: number } {
  return JUDGES.map((judge) => ({ judge, upper99: judges[judge].upper99 })).reduce((worst, one) =>
    one.upper99 > worst.upper99 ? one : worst,
  )
}

function gridGoals(scenarios: readonly ScenarioOutcome[]): readonly Goal[] {
  const missed = scenarios.filter(({ judges }) => worstBound(judges).upper99 > BOUND_MAX)
  const worst = most(scenarios, ({ judges }) => worstBound(judges).upper99)
  const keys = scenarios.reduce((sum, scenario) => sum + scenario.keys, 0)
  const silenced = most(scenarios, ({ silencedMsPerKey }) => silencedMsPerKey)
  const tooMuch = scenarios.filter(({ silencedMsPerKey }) => silencedMsPerKey > SILENCED_MS_MAX)
  const late = most(scenarios, ({ delayMs, lookAheadMs }) => delayMs - lookAheadMs)
  const foreign = scenarios.reduce((sum, scenario) => sum + scenario.foreign, 0)
  return [
    {
      name: `attacker at chance, ${scenarios.length} scenarios, ${keys.toLocaleString('en')} keys: the worst upper 99 % bound`,
      goal: `<= ${percent(BOUND_MAX)} in every scenario`,
      measured:
        missed.length === 0
          ? `${percent(worst.value)} (${worst.name})`
          : `missed in ${missed.length} of ${scenarios.length}; worst ${percent(worst.value)}, ${points(worst.value - BOUND_MAX)} over (${worst.name})`,
      met: missed.length === 0,
    },
    {
      name: 'audio silenced outside the tones, each key, the worst scenario',
      goal: `<= ${SILENCED_MS_MAX} ms`,
      measured: `${silenced.value.toFixed(1)} ms (${silenced.name})${tooMuch.length === 0 ? '' : `; over in ${tooMuch.length} of ${scenarios.length}`}`,
      met: tooMuch.length === 0,
    },
    {
      name: 'delay, 99th percentile, over the look-ahead, the worst scenario',
      goal: `<= ${DELAY_OVER_MS_MAX} ms`,
      measured: `${late.value} ms over, by the packets' own clock`,
      met: late.value <= DELAY_OVER_MS_MAX,
    },
    { name: 'packets towards the agent that are no audio', goal: '0', measured: String(foreign), met: foreign === 0 },
  ]
}

function speechGoals(speech: NonNullable<LeakResult['speech']>): readonly Goal[] {
  const part = speech.silenced / Math.max(1, speech.activePackets)
  const unawaited = speech.unawaited.silenced / Math.max(1, speech.unawaited.activePackets)
  return [
    {
      name: `speech silenced: active packets of five voices, keys awaited (${speech.activePackets.toLocaleString('en')} packets)`,
      goal: `<= ${percent(SPEECH_PART_MAX)}`,
      measured: `${percent(part)}${part > SPEECH_PART_MAX ? `, ${points(part - SPEECH_PART_MAX)} over` : ''}; ${percent(unawaited)} with no key awaited; what passes is ${speech.filteredDb.toFixed(1)} dB fainter`,
      met: part <= SPEECH_PART_MAX,
    },
  ]
}

function captureGoals(capture: NonNullable<LeakResult['capture']>): readonly Goal[] {
  return [
    {
      name: `keys captured of ${capture.inSpec.toLocaleString('en')} in the range of ITU-T Q.24`,
      goal: 'all, and none twice',
      measured: `${capture.captured.toLocaleString('en')}, and ${capture.extra} besides`,
      met: capture.captured === capture.inSpec && capture.extra === 0,
    },
    {
      name: `false keys in ${capture.hours.toFixed(1)} hours of voices`,
      goal: '<= 1 in 3 hours',
      measured: `${capture.falseKeys}`,
      met: capture.falsePerHour <= FALSE_PER_HOUR_MAX,
    },
  ]
}

function realPathGoals(realPath: NonNullable<LeakResult['realPath']>): readonly Goal[] {
  const worst = worstBound(realPath.together)
  const told = realPath.rows.reduce((sum, row) => sum + row.told, 0)
  return [
    {
      name: `attacker at chance through the whole product: ${realPath.rows.length} scenarios as one, ${realPath.together.learned.keys.toLocaleString('en')} keys`,
      goal: `<= ${percent(BOUND_MAX)}`,
      measured: `${percent(worst.upper99)} (${JUDGE_NAMES[worst.judge]})`,
      met: worst.upper99 <= BOUND_MAX,
    },
    {
      name: "keys told to the agent's side by events or INFO, whole product",
      goal: '0',
      measured: String(told),
      met: told === 0,
    },
  ]
}

export const JUDGE_NAMES: Readonly<Record<JudgeName, string>> = {
  multimon: 'multimon-ng',
  spandsp: 'spandsp',
  matchedFilter: 'matched filter',
  learned: 'learned attacker',
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`
}

function points(part: number): string {
  return `${(100 * part).toFixed(2)} points`
}

function most(
  scenarios: readonly ScenarioOutcome[],
  of: (scenario: ScenarioOutcome) => number,
): { readonly name: string; readonly value: number } {
  return scenarios
    .map((scenario) => ({ name: scenario.name, value: of(scenario) }))
    .reduce((worst, one) => (one.value > worst.value ? one : worst), { name: '', value: -Infinity })
}
