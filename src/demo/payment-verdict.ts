import type { CallJudgement } from './call-judgement.ts'
import type { PaymentState } from './desk-client.ts'
import { chanceLimit } from './judge/chance-limit.ts'

/** What happened in the demonstration's payment. Times are monotonic us. */
export type PaymentRun = {
  readonly payment: PaymentState | null
  readonly keysPressed: number
  readonly captured: number
  readonly openUs: number
  readonly closeUs: number
  readonly problem: string | null
}

/** Interposition that takes longer is undone by the product, so a report of more is wrong. */
const PROOF_MS_MAX = 500

/** What did not hold of one payment and its call, in words; empty when all did. */
export function whatFailed(
  run: PaymentRun,
  judged: Pick<CallJudgement, 'controlHolds'> & {
    readonly agent: Pick<CallJudgement['agent'], 'recovered' | 'filter'>
  },
): readonly string[] {
  const { recovered, filter } = judged.agent
  const failures: string[] = []
  const must = (holds: boolean, words: string) => {
    if (!holds) failures.push(words)
  }
  must(run.problem === null, run.problem ?? '')
  must(run.payment?.token != null, 'the vault returned no token')
  must(run.payment?.state === 'closed', 'the window did not close')
  must(run.keysPressed > 0 && run.captured === run.keysPressed, 'the guard did not take each key once')
  must((run.payment?.openMs ?? Infinity) <= PROOF_MS_MAX, 'the interposition was not proven in 500 ms')
  must(recovered.events === 0, 'telephone-events reached the agent')
  must(recovered.multimon === 0, "multimon-ng read keys from the agent's side")
  must(recovered.matchedFilter === 0, "the matched filter read keys from the agent's side")
  must(
    filter.forcedChoice.hits <= chanceLimit(filter.forcedChoice),
    "the matched filter guesses keys of the agent's side better than chance",
  )
  // A judge that cannot read the control proves nothing.
  must(judged.controlHolds, "the control failed: the judges did not read every key of the payer's side")
  return failures
}
