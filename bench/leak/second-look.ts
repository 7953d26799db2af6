import { runGrid } from './grid.ts'
import type { GridTask } from './grid-worker.ts'
import { JUDGES } from './judges/panel.ts'
import { BOUND_MAX, worstBound } from './leak-goals.ts'
import type { ScenarioOutcome } from './leak-result.ts'
import { CHANCE } from './scenario.ts'
import type { ScenarioResult } from './scenario-run.ts'

/** What names more than this beyond doubt leaks, and needs no second look. */
const NEAR_HITS_MAX = CHANCE + 0.02
/** Seeds of second looks lie so far from those of first ones that no call occurs in both. */
const SEED_APART = 100_000

/**
 * Runs tasks; a bound missed by chance alone must not pass for a leak, nor a leak for chance: what misses by less than a leak that
 * matters is run once more, with more keys and other calls, and that run counts.
 */
export async function runWithSecondLook(
  tasks: readonly GridTask[],
  options: {
    /** So many times the keys in the second look. */
    readonly againKeys: number
    /** No more scenarios than this are looked at again: those that come first. */
    readonly againMax: number
    /** Gives up, without second looks, when the first shows a leak beyond doubt. */
    readonly stopAtLeak: boolean
    readonly done: (result: ScenarioResult, index: number, of: number) => void
    readonly say: (line: string) => void
  },
): Promise<readonly ScenarioOutcome[]> {
  const { againKeys, againMax, done, say } = options
  const first = await runGrid(tasks, { done: (result, index) => done(result, index, tasks.length) })
  if (options.stopAtLeak && first.some((result) => isOver(result) && !isNear(result))) return first
  const again = tasks
    .filter((_, index) => {
      const result = first[index]
      return result !== undefined && isOver(result) && isNear(result)
    })
    .slice(0, againMax)
    .map((task) => ({ ...task, keys: againKeys * task.keys, seed: task.seed + SEED_APART }))
  if (again.length === 0) return first
  say(`${again.length} scenarios once more, with ${again[0]?.keys ?? 0} keys`)
  const second = await runGrid(again, { done: (result, index) => done(result, index, again.length) })
  return first.map((result) => {
    const repeated = second.find(({ name }) => name === result.name)
    return repeated === undefined ? result : { ...repeated, firstRun: { keys: result.keys, judges: result.judges } }
  })
}

/** True when a judge's bound is above the goal. */
export function isOver(result: Pick<ScenarioResult, 'judges'>): boolean {
  return worstBound(result.judges).upper99 > BOUND_MAX
}

function isNear(result: ScenarioResult): boolean {
  return JUDGES.every((judge) => result.judges[judge].hits <= NEAR_HITS_MAX * result.judges[judge].keys)
}
