import type { HeardCall, Verdict } from './judge.ts'
import { LearnedJudge } from './learned.ts'
import { MatchedFilterJudge } from './matched-filter.ts'
import { multimonJudge } from './multimon.ts'
import { Sighting } from './sight.ts'
import { spandspJudge } from './spandsp.ts'

export const JUDGES = ['multimon', 'spandsp', 'matchedFilter', 'learned'] as const
export type JudgeName = (typeof JUDGES)[number]
export type Verdicts = Readonly<Record<JudgeName, Verdict>>

/** All four judges on the same calls: one panel for what the agent's side got, another for the control. */
export class Panel {
  readonly #sighting: Sighting
  readonly #matchedFilter = new MatchedFilterJudge()
  readonly #learned: LearnedJudge
  readonly #receivers = { multimon: multimonJudge(), spandsp: spandspJudge() }
  #calls = 0

  constructor(options: { readonly offset: number; readonly seed: number }) {
    this.#sighting = new Sighting(options)
    this.#learned = new LearnedJudge(options)
  }

  async hear(call: HeardCall): Promise<void> {
    const half = this.#calls % 2 === 0 ? 0 : 1
    this.#calls += 1
    for (const press of call.presses) {
      const sight = this.#sighting.sightOf(call, press)
      this.#matchedFilter.see(sight, half)
      this.#learned.see(sight, half)
    }
    await this.#receivers.multimon.hear(call)
    await this.#receivers.spandsp.hear(call)
  }

  async verdicts(): Promise<Verdicts> {
    return {
      multimon: await this.#receivers.multimon.verdict(),
      spandsp: await this.#receivers.spandsp.verdict(),
      matchedFilter: this.#matchedFilter.verdict(),
      learned: this.#learned.verdict(),
    }
  }

  close(): void {
    this.#receivers.multimon.close()
    this.#receivers.spandsp.close()
  }
}
