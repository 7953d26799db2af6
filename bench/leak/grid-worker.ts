import { runScenario, type ScenarioResult } from './scenario-run.ts'
import { scenarioNamed } from './scenarios.ts'
import { loadVoices } from './voices.ts'

/** Runs scenarios one after another in a process of its own, as its parent asks. */
export type GridTask = {
  readonly name: string
  readonly keys: number
  readonly seed: number
  readonly lookAheadMs?: number
}
export type GridAnswer =
  { readonly kind: 'done'; readonly result: ScenarioResult } | { readonly kind: 'failed'; readonly message: string }

/** Ten minutes of each voice: more than a scenario's calls use of any. */
const VOICE_SECONDS = 600

const voices = loadVoices({ secondsMax: VOICE_SECONDS })

process.on('message', (task: GridTask) => {
  runScenario(scenarioNamed(task.name), { ...task, voices })
    .then((result): GridAnswer => ({ kind: 'done', result }))
    .catch((error: unknown): GridAnswer => ({
      kind: 'failed',
      message: error instanceof Error ? error.message : 'a scenario failed',
    }))
    .then((answer) => process.send?.(answer))
    .catch(() => process.exit(1))
})

// Whoever asked is gone: nobody waits for the rest.
process.on('disconnect', () => process.exit(0))
