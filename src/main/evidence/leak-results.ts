import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the attack bench measured, with what was missed. Its file is a result of `npm run bench -- leak`. */
export type LeakResults = {
  readonly at: string
  readonly question: string
  readonly method: string
  readonly goals: readonly {
    readonly name: string
    readonly goal: string
    readonly measured: string
    readonly met: boolean
  }[]
  readonly notes: readonly string[]
  readonly scenarios: number
  /** Scenarios in which a judge could do better than chance and one point, the worst first. */
  readonly missed: readonly ScenarioMiss[]
}

export type ScenarioMiss = {
  readonly name: string
  readonly keys: number
  readonly judge: string
  /** Shares: upper bound (one-sided, 99 %), and what guessing gets. */
  readonly upper: number
  readonly chance: number
}

/** By how much a bound may lie above chance, as the bench has it. */
const POINTS_MAX = 0.01

type Judgement = { readonly upper99: number; readonly keys: number }
type Scenario = { readonly name: string; readonly chance: number; readonly judges: Readonly<Record<string, Judgement>> }

/** Reads bench/results/leak.json; null when this delivery has none. Throws when it is no result. */
export function leakResults(installation: string): LeakResults | null {
  let text
  try {
    text = readFileSync(join(installation, 'bench/results/leak.json'), 'utf8')
  } catch {
    return null
  }
  const { at, question, method, goals, notes, scenarios } = JSON.parse(text) as Omit<LeakResults, 'scenarios'> & {
    readonly scenarios: readonly Scenario[]
  }
  return {
    at,
    question,
    method,
    goals,
    notes,
    scenarios: scenarios.length,
    missed: scenarios.flatMap(missOf).toSorted(byDistance),
  }
}

/** The judge with the highest bound, where that is over the goal. */
function missOf({ name, chance, judges }: Scenario): readonly ScenarioMiss[] {
  const worst = Object.entries(judges).toSorted(([, one], [, other]) => other.upper99 - one.upper99)[0]
  if (worst === undefined) return []
  const [judge, { upper99, keys }] = worst
  return upper99 > chance + POINTS_MAX ? [{ name, keys, judge, upper: upper99, chance }] : []
}

function byDistance(one: ScenarioMiss, other: ScenarioMiss): number {
  return other.upper - other.chance - (one.upper - one.chance)
}
