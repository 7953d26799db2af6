import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { describeMachine, readResult } from './harness/results.ts'
import { FULL_MEASURE, measureCapture } from './leak/capture.ts'
import { goalsOf, percent, worstBound } from './leak/leak-goals.ts'
import type { LeakResult, ScenarioOutcome } from './leak/leak-result.ts'
import { measurePeer } from './leak/peer.ts'
import { measureRealPath } from './leak/real-path.ts'
import { SCENARIOS } from './leak/scenarios.ts'
import { isOver, runWithSecondLook } from './leak/second-look.ts'
import { measureSpeech } from './leak/speech-measure.ts'
import { loadVoices } from './leak/voices.ts'

export type LeakOptions = {
  /** Keys of each scenario; null for the default. */
  readonly keys: number | null
  /** What the grid may take: fewer keys are tried if it would take longer. */
  readonly minutes: number | null
  /** Only scenarios whose name holds this. Speech, capture and the real path are left out then. */
  readonly only: string | null
  /** Without SIP, rtpengine and the guard's process. */
  readonly offline: boolean
  /** Only those; all else is kept from the last result. */
  readonly live: boolean
  readonly say: (line: string) => void
}

/**
 * At chance, the bound of 10,000 keys lies 0.65 points above what is found: a judge misses one time in ten by luck, and twice the
 * keys then decide: once more in 400.
 */
const KEYS_DEFAULT = 10_000
const KEYS_MIN = 240
const SEED = 20_261_122
const LIVE_VOICE_SECONDS = 600

/** One core's time for a key, in ms: only for the choice of how many keys fit into `minutes`. */
const KEY_CPU_MS = 2.5

/** In the second look at a scenario that missed by little. */
const AGAIN_KEYS = 2
const AGAIN_MAX = 40

/** Can anybody who holds the agent's side of a call name the keys that the customer pressed? */
export async function benchLeak(options: LeakOptions): Promise<LeakResult> {
  const { say, only } = options
  if (options.live) return withLiveHalf(readResult('leak') as LeakResult, say)
  const startedMs = performance.now()
  const scenarios = await runScenarios(options)
  const whole = only === null
  const speech = whole ? measureAfter('speech of five languages, without a key', () => measureSpeech({})) : null
  const capture = whole ? measureAfter('capture of keys by the guard', () => measureCapture(FULL_MEASURE)) : null
  const machine = describeMachine()
  const figures = { scenarios, realPath: null, speech, capture }
  const offline: LeakResult = {
    bench: 'leak',
    question: "Can anybody who holds the agent's side of a call name the keys that the customer pressed?",
    method: METHOD,
    at: new Date().toISOString(),
    machine: { ...machine, versions: { ...machine.versions, ...receiverVersions() } },
    data: {
      minutes: minutesSince(startedMs),
      scenarios: scenarios.length,
      only: only ?? 'all',
    },
    goals: goalsOf(figures),
    plots: [],
    notes: NOTES,
    seed: SEED,
    ...figures,
    peer: [],
    peerSettings: [],
  }
  return whole && !options.offline ? withLiveHalf(offline, say) : offline

  function measureAfter<Measure>(what: string, measure: () => Measure): Measure {
    say(what)
    return measure()
  }
}

/** The whole product and its peer, both in one run, beside an offline half that may be of an earlier one. */
async function withLiveHalf(offline: LeakResult, say: LeakOptions['say']): Promise<LeakResult> {
  const startedMs = performance.now()
  const live = { say, seed: SEED, voices: loadVoices({ secondsMax: LIVE_VOICE_SECONDS }) }
  const realPath = await measureRealPath(live)
  const peer = await measurePeer(live)
  return {
    ...offline,
    data: { ...offline.data, live: { at: new Date().toISOString(), minutes: minutesSince(startedMs) } },
    goals: goalsOf({ ...offline, realPath }),
    realPath,
    peer: peer.rows,
    peerSettings: peer.sweep,
  }
}

function minutesSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 6_000) / 10
}

async function runScenarios(options: LeakOptions): Promise<readonly ScenarioOutcome[]> {
  const { say, only } = options
  const wanted = SCENARIOS.filter(({ name }) => only === null || name.includes(only))
  if (wanted.length === 0) throw new Error('no scenario has such a name')
  const keys = Math.min(options.keys ?? KEYS_DEFAULT, keysWithin(options.minutes, wanted.length))
  say(`${wanted.length} scenarios of ${keys} keys`)
  return runWithSecondLook(
    wanted.map(({ name }, index) => ({ name, keys, seed: SEED + index })),
    {
      againKeys: AGAIN_KEYS,
      againMax: AGAIN_MAX,
      stopAtLeak: false,
      say,
      done: (result, index, of) => {
        const { judge, upper99 } = worstBound(result.judges)
        say(
          `${String(index + 1).padStart(3)} of ${of}  ${result.name.padEnd(58)} ${percent(upper99)} ${isOver(result) ? 'over ' : 'chance'} (${judge})  ${result.silencedMsPerKey.toFixed(0)} ms silenced  ${result.cpuSeconds} s`,
        )
      },
    },
  )
}

function keysWithin(minutes: number | null, scenarios: number): number {
  if (minutes === null) return Infinity
  return Math.max(KEYS_MIN, Math.floor((minutes * 60_000 * availableParallelism()) / KEY_CPU_MS / scenarios))
}

function receiverVersions(): Readonly<Record<string, string>> {
  const version = (name: string): string => {
    const asked = spawnSync('dpkg-query', ['-W', '-f', '${Version}', name], { encoding: 'utf8', timeout: 5_000 })
    return asked.status === 0 ? asked.stdout.trim() : 'not from Debian'
  }
  return { 'multimon-ng': version('multimon-ng'), spandsp: version('libspandsp2') }
}

const METHOD =
  "Each scenario is some thousand calls of one customer: keys at random times and every phase against the packets, speech of five languages and noise drawn anew for each call, through the product's own masker and sentinel, a new one for each call. Everything that leaves for the agent goes to four judges: multimon-ng; spandsp's receiver; a matched filter that knows when each key was pressed and by how much its frequencies are off; and an attacker that has learned from half of the masked calls, with all keys told to it, and names the keys of the other half. The matched filter and the learned attacker choose how to look on keys that they are not judged by. The same judges hear what arrived before the masker (control); where a judge reads nothing even there it is blind, and its not reading proves nothing. Bounds are one-sided 99 % (Clopper and Pearson)."

const NOTES: readonly string[] = [
  'A scenario is met when the bounds of all four judges are at most chance and one point. One that misses by little is run once more, with twice the keys and other calls; the second run counts, and the first is in the data.',
  'Silenced is what noise replaced outside the tones, found by running a second masker that differs in nothing but the seed of its noise. The learned attacker is told even that.',
  'For events without tones the keys are in no audio, so judges by ear are blind there by nature; what counts is that no event packet leaves.',
]
