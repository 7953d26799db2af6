import { playPeerJob } from './peer-call.ts'
import { PeerRelay, type PeerSetting } from './peer-relay.ts'
import { sweepPeer, type SweptSetting } from './peer-sweep.ts'
import type { JudgeableCall } from './real-path-call.ts'
import { SendingClock } from './real-path-clock.ts'
import { prepareJob, type RealScenario } from './real-path-job.ts'
import { judgeRow, type LiveCall, type LiveRow } from './real-path-verdict.ts'
import type { Scenario } from './scenario.ts'
import { scenarioNamed } from './scenarios.ts'
import type { Voice } from './voices.ts'

export type PeerOptions = {
  readonly voices: readonly Voice[]
  readonly say: (line: string) => void
  readonly seed: number
  /** Keys of each row, about. */
  readonly keysPerRow?: number
  /** Calls at one time. */
  readonly atOnce?: number
  /** Names of rows; without it, all. */
  readonly rows?: readonly string[]
}

export type PeerMeasure = {
  /** The setting that recovers the fewest keys in the sweep: all rows are of it. */
  readonly setting: PeerSetting
  readonly sweep: readonly SweptSetting[]
  readonly rows: readonly (LiveRow & { readonly setting: string; readonly failed: number })[]
  readonly seconds: number
}

/** Rows of the offline grid that the peer is measured by: each axis, and crossings. */
export const PEER_ROWS = [
  'in-band',
  'events, no tone in the audio',
  'both: events beside whole tones',
  '10 ms of tone, then events',
  '40 ms of tone, then events',
  '80 ms of tone, then events',
  '-3 dBm0',
  '-30 dBm0',
  '-40 dBm0',
  'tones of 10 ms',
  'tones of 20 ms',
  'tones of 40 ms',
  'twist +9 dB',
  '+2.5 % off',
  'white noise 12 dB below the tone',
  'hum 6 dB below the tone',
  'talk-over -12 dB',
  'talk-over 0 dB',
  'talk-over +6 dB',
  'loss 5 % at random',
  'loss 20 % at random',
  'loss 10 % in bursts of 4',
  'jitter 60 ms, packets change places',
  'packets of 10 ms',
  'packets of 60 ms',
  'PCMA',
  'talk-over 0 dB, loss 10 %',
] as const

/** rtpengine carries more on two cores; the bench that plays them all does not. */
const AT_ONCE = 40
const KEYS_PER_ROW = 1_500
const KEYING_MS = 34_000
/** Before the first key, for its buffers to fill. */
const LEAD_MS = 500
const GAP_MS = [60, 160] as const

/** The same stimuli through rtpengine's own blocking of DTMF, in real time, judged in the same way. */
export async function measurePeer(options: PeerOptions): Promise<PeerMeasure> {
  const startedMs = performance.now()
  const { say, voices, seed } = options
  const sweep = await sweepPeer({ voices, seed, say })
  const setting = sweep.reduce((best, one) => (one.recovered < best.recovered ? one : best)).setting
  say(`peer: ${setting.name} recovers least`)
  const names = PEER_ROWS.filter((name) => options.rows?.includes(name) !== false)
  const played = new Map(names.map((name) => [name as string, [] as LiveCall[]]))
  const failed = new Map<string, number>()
  const relay = await PeerRelay.start()
  const clock = new SendingClock()
  try {
    const turns = turnsOf(names, options)
    for (const [round, turn] of turns.entries()) {
      say(`peer: round ${round + 1} of ${turns.length}, ${turn.length} calls at once`)
      const jobs = turn.map((call) => prepareJob(call.row, { ...call, voices, leadMs: LEAD_MS }))
      const outcomes = await Promise.allSettled(
        jobs.map((job, index) => playPeerJob(job, { relay, setting, clock, index })),
      )
      for (const [index, outcome] of outcomes.entries()) {
        const job = jobs[index]
        if (job === undefined) continue
        const { name } = job.row.scenario
        if (outcome.status === 'rejected') failed.set(name, (failed.get(name) ?? 0) + 1)
        else played.get(name)?.push(liveCall(outcome.value(), job.stimulus))
      }
      if (!relay.isAlive) throw new Error('rtpengine ended while it was measured')
    }
  } finally {
    clock.close()
    await relay.close()
  }
  const rows: PeerMeasure['rows'][number][] = []
  for (const name of names) {
    const { offset } = scenarioNamed(name)
    const row = await judgeRow(name, played.get(name) ?? [], { offset, seed })
    rows.push({ ...row, setting: setting.name, failed: failed.get(name) ?? 0 })
    played.delete(name)
  }
  return { setting, sweep, rows, seconds: Math.round((performance.now() - startedMs) / 1_000) }
}

/** A scenario as the peer gets it: the offline one, with keys closer together. */
export function peerScenario(scenario: Scenario): RealScenario {
  return { scenario: { ...scenario, gapMs: GAP_MS }, masking: 'talk-through', codec: null, info: false, moment: null }
}

function turnsOf(
  names: readonly string[],
  options: PeerOptions,
): readonly (readonly { readonly row: RealScenario; readonly keys: number; readonly seed: number }[])[] {
  const keysPerRow = options.keysPerRow ?? KEYS_PER_ROW
  const calls = names.flatMap((name, index) => {
    const row = peerScenario(scenarioNamed(name))
    const { toneMs } = row.scenario
    const most = Math.floor(KEYING_MS / ((toneMs[0] + toneMs[1] + GAP_MS[0] + GAP_MS[1]) / 2))
    // Two calls at least: judges learn from one half and are judged by the other.
    const count = Math.max(2, Math.ceil(keysPerRow / most))
    const keys = Math.ceil(keysPerRow / count)
    return Array.from({ length: count }, (_, call) => ({ row, keys, seed: options.seed + 7_919 * call + 97 * index }))
  })
  const atOnce = options.atOnce ?? AT_ONCE
  return Array.from({ length: Math.ceil(calls.length / atOnce) }, (_, turn) =>
    calls.slice(turn * atOnce, (turn + 1) * atOnce),
  )
}

function liveCall(call: JudgeableCall, stimulus: LiveCall['stimulus']): LiveCall {
  const { tone, speech } = stimulus
  return { ...call, stimulus: { tone, speech } }
}
