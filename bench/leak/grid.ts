import { fork, type ChildProcess } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { GridAnswer, GridTask } from './grid-worker.ts'
import type { ScenarioResult } from './scenario-run.ts'

/** One process for each core; more cores than this are not worth their memory. */
const WORKERS_MAX = 8
/** The longest scenario takes about two minutes on a slow core. */
const SCENARIO_MS_MAX = 20 * 60_000
/** A worker that ended is started again so often for one scenario. */
const TRIES = 2

/** Runs tasks on all cores, each in a process that may end without harm to the others, and gives their results in order. */
export async function runGrid(
  tasks: readonly GridTask[],
  options: { readonly done: (result: ScenarioResult, index: number) => void },
): Promise<readonly ScenarioResult[]> {
  const results: ScenarioResult[] = []
  let next = 0
  const work = async (): Promise<void> => {
    let worker: ChildProcess | undefined
    try {
      for (;;) {
        const index = next
        const task = tasks[index]
        if (task === undefined) return
        next += 1
        for (let tried = 1; results[index] === undefined; tried += 1) {
          worker ??= fork(join(import.meta.dirname, 'grid-worker.ts'), { execArgv: ['--no-warnings'] })
          const answer = await ask(worker, task)
          if (answer.kind === 'done') {
            results[index] = answer.result
            options.done(answer.result, index)
            continue
          }
          worker.kill('SIGKILL')
          worker = undefined
          if (tried === TRIES) throw new Error(`${task.name}: ${answer.message}`)
        }
      }
    } finally {
      worker?.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: Math.min(WORKERS_MAX, availableParallelism(), tasks.length) }, work))
  return results
}

function ask(worker: ChildProcess, task: GridTask): Promise<GridAnswer> {
  return new Promise((resolve) => {
    const settle = (answer: GridAnswer): void => {
      clearTimeout(timer)
      worker.off('message', told).off('exit', ended)
      resolve(answer)
    }
    const told = (answer: unknown): void => settle(answer as GridAnswer)
    const ended = (): void => settle({ kind: 'failed', message: 'the process ended' })
    const timer = setTimeout(() => settle({ kind: 'failed', message: 'the process is too slow' }), SCENARIO_MS_MAX)
    worker.on('message', told).on('exit', ended)
    worker.send(task)
  })
}
