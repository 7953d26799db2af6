import type { DatabaseSync } from 'node:sqlite'
import { StoreFailure } from './store.ts'

/** One transaction takes this many steps; the next takes the rest, so that nobody waits for an endless one. */
export const STEPS_IN_COMMIT_MAX = 256
/** More than this waiting means that the disk does not keep up; the next is refused. */
export const STEPS_WAITING_MAX = 4_096

/**
 * Many steps, one commit. Steps that arrive in the same turn of the event loop share a transaction and thus one
 * fdatasync; each is told its result only after the commit. A step that fails is undone alone, by its savepoint.
 */
export class GroupCommit {
  readonly #database: DatabaseSync
  #waiting: Waiting[] = []
  #scheduled = false

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** Runs the step in the next transaction. Rejects with StoreFailure when it, or the commit, fails. */
  run<Result>(step: () => Result): Promise<Result> {
    if (this.#waiting.length >= STEPS_WAITING_MAX) return Promise.reject(new StoreFailure('STEPS_WAITING'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        attempt: () => {
          const result = step()
          return () => resolve(result)
        },
        fail: reject,
      })
      this.#schedule()
    })
  }

  /** Commits what is waiting now. The caller takes no further steps afterwards. */
  drain(): void {
    while (this.#waiting.length > 0) this.#commit()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#commit()
      if (this.#waiting.length > 0) this.#schedule()
    })
  }

  #commit(): void {
    const steps = this.#waiting.splice(0, STEPS_IN_COMMIT_MAX)
    if (steps.length === 0) return
    const acknowledge: (() => void)[] = []
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      for (const step of steps) acknowledge.push(this.#attempt(step))
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      const failure = failureOf(error)
      for (const step of steps) step.fail(failure)
      return
    }
    for (const tell of acknowledge) tell()
  }

  #attempt(step: Waiting): () => void {
    this.#database.exec('SAVEPOINT step')
    try {
      const tell = step.attempt()
      this.#database.exec('RELEASE step')
      return tell
    } catch (error) {
      // A full disk ends the whole transaction by itself; then the savepoint is gone and all steps have failed.
      if (!this.#database.isTransaction) throw error
      this.#database.exec('ROLLBACK TO step')
      this.#database.exec('RELEASE step')
      const failure = failureOf(error)
      return () => step.fail(failure)
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec('ROLLBACK')
    } catch {
      // Nothing was committed, which is all that the caller is told.
    }
  }
}

type Waiting = {
  /** Runs the step and returns what acknowledges it. */
  readonly attempt: () => () => void
  readonly fail: (failure: StoreFailure) => void
}

/** SQLite's own number names the failure; its text could quote data. */
export function failureOf(error: unknown): StoreFailure {
  if (error instanceof StoreFailure) return error
  if (error instanceof Error && 'errcode' in error && typeof error.errcode === 'number') {
    return new StoreFailure('SQLITE_' + String(error.errcode))
  }
  return new StoreFailure('UNEXPECTED')
}
