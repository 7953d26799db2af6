import { CodecGateway } from './codecs-gateway.ts'
import { multimonJudge } from './judges/multimon.ts'
import type { Verdicts } from './judges/panel.ts'
import { SendingClock } from './real-path-clock.ts'
import { playJob, prepareJob, type RealJob, type RealScenario } from './real-path-job.ts'
import { REAL_SCENARIOS } from './real-path-rows.ts'
import { BenchSite } from './real-path-site.ts'
import { judgeRow, together, type LiveCall, type LiveRow } from './real-path-verdict.ts'
import type { JudgeableCall } from './real-path-call.ts'
import type { Voice } from './voices.ts'

export type RealPathOptions = {
  readonly voices: readonly Voice[]
  readonly say: (line: string) => void
  readonly seed: number
  /** Calls of each row. */
  readonly callsPerRow?: number
  /** How long keys are pressed in each call. */
  readonly keyingMs?: number
  /** Calls at one time. */
  readonly atOnce?: number
  /** Names of rows; without it, all. */
  readonly rows?: readonly string[]
}

export type RealPathRow = LiveRow & {
  /** From the order of a window to its proof, the median. */
  readonly openMs: number | null
  /** Calls that did not come about, or whose window was refused: nothing is judged of them. */
  readonly failed: number
  /** Changes of calls (re-INVITE, BYE) that were refused or not answered. */
  readonly refused: number
  /** Part of the agent's packets that payers heard, the least of all calls. */
  readonly payerHeard: number
  /** Calls in which the sentinel raised an alarm and the window turned hard. */
  readonly turnedHard: number
  /** Packets of the agent's side for which no place on the payer's clock was found, so that they were not judged. */
  readonly unplaced: number
  /** Packets whose place was told by their arrival alone: codecs change what audio would tell. */
  readonly guessed: number
  /** What multimon-ng reads on the agent's side of keys that were pressed far from any window: it must. */
  readonly clear: { readonly keys: number; readonly read: number }
}

export type RealPathMeasure = {
  readonly rows: readonly RealPathRow[]
  /** All rows as one. */
  readonly together: Verdicts
  readonly seconds: number
}

/** Two cores carry so many calls, with phones, product and what else runs, without trouble of their own. */
const AT_ONCE = 14
const CALLS_PER_ROW = 3
const KEYING_MS = 34_000
/** A payer hangs up once a call, so these calls are short, and several in the time of one. */
const BYE_PARTS = 3
const BYE_LEAD_SHARE = 0.6

type Slot = { readonly row: RealScenario; readonly jobs: readonly RealJob[] }

/**
 * A sample of the grid through the real thing: SIP calls over sipd and sbc, media over rtpengine, windows opened through
 * the desk's API with the guard between. Several calls at once, round after round; judged when all are over.
 */
export async function measureRealPath(options: RealPathOptions): Promise<RealPathMeasure> {
  const startedMs = performance.now()
  const { say, rows: wanted } = options
  const rows = REAL_SCENARIOS.filter(({ scenario }) => wanted?.includes(scenario.name) !== false)
  const played = new Map(rows.map(({ scenario }) => [scenario.name, [] as PlayedCall[]]))
  const failed = new Map<string, number>()
  const site = await BenchSite.start({ say })
  const gateway = rows.some(({ codec }) => codec !== null && codec !== 'G722') ? await CodecGateway.start() : null
  const clock = new SendingClock()
  try {
    const turns = turnsOf(rows, options)
    for (const [round, turn] of turns.entries()) {
      say(`real path: round ${round + 1} of ${turns.length}, ${turn.length} calls at once`)
      const slots = turn.map(({ row, seed }) => prepareSlot(row, seed, options))
      const finish = await Promise.all(slots.map((slot, index) => playSlot(slot, { site, clock, gateway, index })))
      for (const [index, { row }] of slots.entries()) {
        const { name } = row.scenario
        for (const outcome of finish[index] ?? []) {
          if (outcome.kind === 'played') played.get(name)?.push(outcome.finish())
          else {
            failed.set(name, (failed.get(name) ?? 0) + 1)
            say(`real path: a call of ${JSON.stringify(name)} failed: ${outcome.message}`)
          }
        }
      }
    }
  } finally {
    clock.close()
    await site.close()
    await gateway?.close()
  }
  const measured: RealPathRow[] = []
  for (const { scenario } of rows) {
    const calls = played.get(scenario.name) ?? []
    const row = await judgeRow(scenario.name, calls, { offset: scenario.offset, seed: options.seed })
    measured.push({
      ...row,
      ...aboutCalls(calls),
      clear: await readClear(calls),
      failed: failed.get(scenario.name) ?? 0,
    })
  }
  return {
    rows: measured,
    together: together(measured),
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  }
}

type PlayedCall = JudgeableCall & LiveCall
type Outcome =
  { readonly kind: 'played'; readonly finish: () => PlayedCall } | { readonly kind: 'failed'; readonly message: string }

/** Which rows are played at the same time: neighbours in the list differ, so that no round is all of one kind. */
function turnsOf(
  rows: readonly RealScenario[],
  options: RealPathOptions,
): readonly (readonly { readonly row: RealScenario; readonly seed: number }[])[] {
  const atOnce = options.atOnce ?? AT_ONCE
  const all = Array.from({ length: options.callsPerRow ?? CALLS_PER_ROW }, (_, call) =>
    rows.map((row, index) => ({ row, seed: options.seed + 10_007 * call + 101 * index })),
  ).flat()
  return Array.from({ length: Math.ceil(all.length / atOnce) }, (_, turn) =>
    all.slice(turn * atOnce, (turn + 1) * atOnce),
  )
}

function prepareSlot(row: RealScenario, seed: number, options: RealPathOptions): Slot {
  const keyingMs = options.keyingMs ?? KEYING_MS
  const { toneMs, gapMs } = row.scenario
  const everyMs = (toneMs[0] + toneMs[1] + gapMs[0] + gapMs[1]) / 2
  const parts = row.moment === 'bye' ? BYE_PARTS : 1
  const partMs = parts === 1 ? keyingMs : (keyingMs / parts) * BYE_LEAD_SHARE
  const keys = Math.max(1, Math.floor(partMs / everyMs))
  return {
    row,
    jobs: Array.from({ length: parts }, (_, part) =>
      prepareJob(row, { keys, seed: seed + 31 * part, voices: options.voices }),
    ),
  }
}

async function playSlot(slot: Slot, options: Parameters<typeof playJob>[1]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const job of slot.jobs) {
    try {
      const finish = await playJob(job, options)
      const { tone, speech } = job.stimulus
      outcomes.push({ kind: 'played', finish: () => ({ ...finish(), stimulus: { tone, speech } }) })
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      outcomes.push({ kind: 'failed', message: code === '' && error instanceof Error ? error.message : code })
    }
  }
  return outcomes
}

async function readClear(calls: readonly JudgeableCall[]): Promise<RealPathRow['clear']> {
  const judge = multimonJudge()
  for (const { clear } of calls) await judge.hear(clear)
  const { hits, keys } = await judge.verdict()
  return { keys, read: hits }
}

function aboutCalls(
  calls: readonly JudgeableCall[],
): Pick<RealPathRow, 'openMs' | 'refused' | 'payerHeard' | 'turnedHard' | 'unplaced' | 'guessed'> {
  const opens = calls.flatMap(({ openMs }) => (openMs === null ? [] : [openMs])).sort((one, other) => one - other)
  return {
    openMs: opens[opens.length >> 1] ?? null,
    refused: calls.reduce((sum, { refused }) => sum + refused, 0),
    payerHeard: calls.reduce((least, { payerHeard }) => Math.min(least, payerHeard), 1),
    guessed: calls.reduce((sum, { guessed }) => sum + guessed, 0),
    unplaced: calls.reduce((sum, { unplaced }) => sum + unplaced, 0),
    turnedHard: calls.filter(({ turnedHard }) => turnedHard).length,
  }
}
