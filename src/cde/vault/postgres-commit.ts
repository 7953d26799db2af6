import { STEPS_IN_COMMIT_MAX, STEPS_WAITING_MAX } from './group-commit.ts'
import type { LedgerStep } from './ledger.ts'
import { postgresFailure, type PostgresConnection } from './postgres-connection.ts'
import { PostgresLedger } from './postgres-ledger.ts'
import { StoreFailure } from './store.ts'

/** From begin to commit. Another vault may be before us, and a synchronous standby behind; the guard asks again after two seconds. */
const TRANSACTION_MS_MAX = 4_000

/**
 * Many steps, one commit: those that arrive while a transaction is under way share the next. Each is told its result after the commit, and a
 * step that fails is undone alone. When the connection is lost nobody is told that something was kept, though it may have been: the same
 * idempotency key finds out.
 */
export class PostgresCommit {
  readonly #connection: PostgresConnection
  readonly #nowMs: () => number
  #waiting: Waiting[] = []
  #running: Promise<void> | null = null

  constructor(connection: PostgresConnection, nowMs: () => number) {
    this.#connection = connection
    this.#nowMs = nowMs
  }

  /** Runs the step in the next transaction. Rejects with StoreFailure when it, or the commit, fails. */
  run<Result>(step: LedgerStep<Result>): Promise<Result> {
    if (this.#waiting.length >= STEPS_WAITING_MAX) return Promise.reject(new StoreFailure('STEPS_WAITING'))
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        needs: step.needs,
        attempt: (ledger) => {
          const result = ledger.attempt(step)
          return () => resolve(result)
        },
        fail: reject,
      })
      this.#running ??= this.#runAll()
    })
  }

  /** Resolves when nothing waits any more. The caller takes no further steps. */
  async drain(): Promise<void> {
    await this.#running
  }

  async #runAll(): Promise<void> {
    // Steps of this turn of the event loop come together first.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0, STEPS_IN_COMMIT_MAX))
    this.#running = null
  }

  async #commit(steps: readonly Waiting[]): Promise<void> {
    try {
      for (const tell of await this.#transaction(steps)) tell()
    } catch (error) {
      const failure = postgresFailure(error)
      if (steps.length > 1 && IS_OF_ONE_STEP.test(failure.code)) {
        const half = Math.ceil(steps.length / 2)
        await this.#commit(steps.slice(0, half))
        await this.#commit(steps.slice(half))
      } else for (const step of steps) step.fail(failure)
    }
  }

  async #transaction(steps: readonly Waiting[]): Promise<readonly (() => void)[]> {
    const session = await this.#connection.session()
    return session.within(TRANSACTION_MS_MAX, async () => {
      const ledger = new PostgresLedger(this.#nowMs)
      try {
        await ledger.begin(
          session,
          steps.map(({ needs }) => needs),
        )
        const acknowledge = steps.map((step) => attempted(step, ledger))
        await ledger.commit(session)
        return acknowledge
      } catch (error) {
        // A session that cannot even roll back is of no more use; the server undoes what it held.
        await session.query({ text: 'ROLLBACK' }).catch(() => session.destroy())
        throw error
      }
    })
  }
}

/** Classes 22 and 23 (PostgreSQL, appendix A) are about values and constraints: the others of its transaction are innocent. */
const IS_OF_ONE_STEP = /^PG_2[23]/

type Waiting = {
  readonly needs: LedgerStep<unknown>['needs']
  /** Runs the step and returns what acknowledges it. */
  readonly attempt: (ledger: PostgresLedger) => () => void
  readonly fail: (failure: StoreFailure) => void
}

function attempted(step: Waiting, ledger: PostgresLedger): () => void {
  try {
    return step.attempt(ledger)
  } catch (error) {
    const failure = error instanceof StoreFailure ? error : new StoreFailure('UNEXPECTED')
    return () => step.fail(failure)
  }
}
