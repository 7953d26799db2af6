import type { Act } from './audit-reports.ts'

/** What is watched is asked for each second; once a minute says as much. */
const NOTED_EVERY_MS = 60_000

export type ReadThing = 'calls' | 'trace' | 'configuration'

/** What operators read, for the audit record (PCI DSS 10.2.1.3): each thing once a minute at most, for as long as it is read. */
export class OperatorReads {
  readonly #report: (act: Act) => void
  readonly #nowMs: () => number
  readonly #notedMs = new Map<ReadThing, number>()

  /** `nowMs`: of a clock that never goes back. */
  constructor(options: { readonly report: (act: Act) => void; readonly nowMs: () => number }) {
    this.#report = options.report
    this.#nowMs = options.nowMs
  }

  note(thing: ReadThing): void {
    const nowMs = this.#nowMs()
    if (nowMs - (this.#notedMs.get(thing) ?? -Infinity) < NOTED_EVERY_MS) return
    this.#notedMs.set(thing, nowMs)
    this.#report({ event: 'operator_read', cause: thing, by: 'operator' })
  }
}
