import { verdictOf, type HeardCall, type Verdict } from './judges/judge.ts'
import { JUDGES, Panel, type JudgeName, type Verdicts } from './judges/panel.ts'
import { LeakMeasure, type LeakFigures } from './leak-measure.ts'
import type { ExactCall } from './real-path-call.ts'
import { CHANCE } from './scenario.ts'
import { BLIND_BELOW } from './scenario-run.ts'
import type { Stimulus } from './stimulus.ts'

/** One row of `realPath` and of `peer` in bench/results/leak.json. */
export type LiveRow = {
  readonly name: string
  readonly keys: number
  readonly chance: number
  readonly judges: Verdicts
  /** The same judges on what the payer sent. */
  readonly control: Readonly<Record<JudgeName, Verdict & { readonly blind: boolean }>>
  /** Null where a codec or a filter changes every sample, so that none can be told to have been replaced. */
  readonly silencedMsPerKey: number | null
  readonly silencedSpeechMsPerKey: number | null
  readonly leakedDb: number | null
  /** One-way, measured on the wire while masked. */
  readonly delayMs: { readonly p50: number; readonly p99: number }
  readonly calls: number
  /** Keys that the agent's side was told by events or INFO. */
  readonly told: number
}

/** What is judged of one call. */
export type LiveCall = {
  readonly agent: HeardCall
  readonly payer: HeardCall
  readonly delaysMs: readonly number[]
  readonly exact: ExactCall | null
  readonly stimulus: Pick<Stimulus, 'tone' | 'speech'>
  readonly told: number
}

/** So many keys tell whether a judge can read at all. */
const CONTROL_KEYS_MAX = 600

/** All four judges on all calls of one row, and on what the payer sent. */
export async function judgeRow(
  name: string,
  calls: readonly LiveCall[],
  options: { readonly offset: number; readonly seed: number },
): Promise<LiveRow> {
  const agentSide = new Panel(options)
  const payerSide = new Panel({ ...options, seed: options.seed + 1 })
  const measure = new LeakMeasure()
  let controlled = 0
  try {
    for (const call of calls) {
      if (call.exact !== null) measure.add({ ...call.stimulus, presses: call.exact.presses }, call.exact)
      await agentSide.hear(call.agent)
      if (controlled < CONTROL_KEYS_MAX) await payerSide.hear(call.payer)
      controlled += call.payer.presses.length
    }
    const figures: LeakFigures | null =
      calls.length > 0 && calls.every(({ exact }) => exact !== null) ? measure.figures() : null
    const judges = await agentSide.verdicts()
    const delays = calls.flatMap(({ delaysMs }) => delaysMs).sort((first, second) => first - second)
    return {
      name,
      keys: judges.multimon.keys,
      chance: CHANCE,
      judges,
      control: controlOf(await payerSide.verdicts()),
      silencedMsPerKey: figures?.silencedMsPerKey ?? null,
      silencedSpeechMsPerKey: figures?.silencedSpeechMsPerKey ?? null,
      leakedDb: figures?.leakedDb ?? null,
      delayMs: { p50: share(delays, 0.5), p99: share(delays, 0.99) },
      calls: calls.length,
      told: calls.reduce((sum, { told }) => sum + told, 0),
    }
  } finally {
    agentSide.close()
    payerSide.close()
  }
}

/** All rows as one: each judge's hits in all keys. A row alone has too few keys for a bound near chance. */
export function together(rows: readonly LiveRow[]): Verdicts {
  const sum = (judge: JudgeName): Verdict =>
    verdictOf(
      rows.reduce((hits, row) => hits + row.judges[judge].hits, 0),
      rows.reduce((keys, row) => keys + row.judges[judge].keys, 0),
    )
  return byJudge(sum)
}

function controlOf(verdicts: Verdicts): LiveRow['control'] {
  return byJudge((judge) => {
    const verdict = verdicts[judge]
    return { ...verdict, blind: verdict.hits < BLIND_BELOW * verdict.keys }
  })
}

function byJudge<Value>(value: (judge: JudgeName) => Value): Readonly<Record<JudgeName, Value>> {
  const [multimon, spandsp, matchedFilter, learned] = JUDGES
  return {
    multimon: value(multimon),
    spandsp: value(spandsp),
    matchedFilter: value(matchedFilter),
    learned: value(learned),
  }
}

function share(ordered: readonly number[], part: number): number {
  const value = ordered[Math.min(ordered.length - 1, Math.floor(part * ordered.length))]
  return value === undefined ? Number.NaN : Math.round(value * 100) / 100
}
