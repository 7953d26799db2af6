import { LOOK_AHEAD_MS } from '../src/cde/guard/masker.ts'
import { describeMachine, type BenchResult } from './harness/results.ts'
import { BOUND_MAX, percent, worstBound } from './leak/leak-goals.ts'
import { NASTIEST } from './leak/scenarios.ts'
import { countSpeech } from './leak/speech-measure.ts'
import { runWithSecondLook } from './leak/second-look.ts'

/** In the first look, and so many times as many in the second, which decides: a bound of 24,000 keys misses by luck once in 700. */
const KEYS_DEFAULT = 6_000
const AGAIN_KEYS = 4
const SEED = 53_000
const LOW_MS = 0
const HIGH_MS = 60
/** Speech costs little to measure: each of these is. */
const SPEECH_LOOK_AHEADS_MS = [0, 10, 15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 35, 40]
const SPEECH_MINUTES = 0.5
const SPEECH_PART_MAX = 0.005
/** What a line may do to packets; the last is what the default is made for. */
const JITTERS_MS = [0, 5, 10]

/** At the very knee half a percent is nearly reached. */
const ROUND_MS = 5

/** Steps either side of what was found that are measured too: the bound need not rise evenly. */
const AROUND_MS = 2

type SpeechTried = { readonly jitterMs: number; readonly lookAheadMs: number; readonly silencedPart: number }

type Tried = { readonly lookAheadMs: number; readonly worst: number; readonly name: string; readonly holds: boolean }

/**
 * The smallest look-ahead at which the scenarios that need it most still leave the attacker at chance, in steps of 1 ms: halved in on,
 * then every step around it. The knee is the smallest step from which on all that was tried hold. What more look-ahead is good
 * for is speech: how much of it is silenced is measured beside, on lines with and without jitter.
 */
export async function benchLeakKnee(options: {
  readonly keys: number | null
  readonly say: (line: string) => void
}): Promise<BenchResult> {
  const tried = new Map<number, Tried>()
  const keys = options.keys ?? KEYS_DEFAULT
  const holds = async (lookAheadMs: number): Promise<boolean> => {
    const known = tried.get(lookAheadMs)
    if (known !== undefined) return known.holds
    const results = await runWithSecondLook(
      NASTIEST.map((name, index) => ({ name, keys, seed: SEED + index, lookAheadMs })),
      { againKeys: AGAIN_KEYS, againMax: NASTIEST.length, stopAtLeak: true, say: options.say, done: () => undefined },
    )
    const [worst] = results
      .map(({ name, judges }) => ({ name, upper99: worstBound(judges).upper99 }))
      .sort((first, second) => second.upper99 - first.upper99)
    const upper99 = worst?.upper99 ?? 1
    const outcome = { lookAheadMs, worst: upper99, name: worst?.name ?? '', holds: upper99 <= BOUND_MAX }
    tried.set(lookAheadMs, outcome)
    options.say(`${lookAheadMs} ms ${outcome.holds ? 'holds' : 'leaks'}: ${percent(upper99)} (${outcome.name})`)
    return outcome.holds
  }
  let low = LOW_MS
  let high = HIGH_MS
  while (low < high) {
    const middle = (low + high) >> 1
    if (await holds(middle)) high = middle
    else low = middle + 1
  }
  for (let step = high - AROUND_MS; step <= high + AROUND_MS; step += 1) {
    if (step >= LOW_MS && step <= HIGH_MS) await holds(step)
  }
  await holds(LOOK_AHEAD_MS)
  options.say('speech')
  return summariseKnee(
    [...tried.values()].sort((first, second) => first.lookAheadMs - second.lookAheadMs),
    { keys, speech: measureSpeechKnee() },
  )
}

export function measureSpeechKnee(): readonly SpeechTried[] {
  return JITTERS_MS.flatMap((jitterMs) =>
    SPEECH_LOOK_AHEADS_MS.map((lookAheadMs) => {
      const { silenced, activePackets } = countSpeech({ minutesMax: SPEECH_MINUTES, lookAheadMs, jitterMs })
      return { jitterMs, lookAheadMs, silencedPart: silenced / activePackets }
    }),
  )
}

/** The shortest from which on less than half a percent of speech is silenced. */
function speechKnee(speech: readonly SpeechTried[], jitterMs: number): number | null {
  const line = speech.filter((one) => one.jitterMs === jitterMs)
  const broken = line.findLastIndex(({ silencedPart }) => silencedPart > SPEECH_PART_MAX)
  return line[broken + 1]?.lookAheadMs ?? null
}

export function summariseKnee(
  tried: readonly Tried[],
  options: { readonly keys: number; readonly speech: readonly SpeechTried[] },
): BenchResult {
  const { keys, speech } = options
  const broken = tried.findLast(({ holds }) => !holds)
  const knee = tried.find(({ lookAheadMs }) => lookAheadMs > (broken?.lookAheadMs ?? -1))
  const leakMs = knee?.lookAheadMs ?? Infinity
  const needed = JITTERS_MS.map((jitterMs) => ({
    jitterMs,
    ms: Math.max(leakMs, speechKnee(speech, jitterMs) ?? Infinity),
  }))
  const [line] = needed.slice(-1)
  const measured = needed.map(({ jitterMs, ms }) => `${ms} ms with jitter of ${jitterMs} ms`).join(', ')
  return {
    bench: 'leak-knee',
    question: 'How short may the look-ahead be?',
    method: `The look-ahead is the constant delay of a window. ${NASTIEST.length} scenarios of the attack bench that need it most, ${keys.toLocaleString('en')} keys each and four times as many on a near miss, at one look-ahead after another: halved in on from ${LOW_MS} to ${HIGH_MS} ms, then every millisecond around it. It holds where no judge's upper 99 % bound is above chance and one point. The knee is the shortest from which on all that were tried hold. Beside it: how much of the speech of five languages is silenced while keys are awaited, without a key in it, at look-aheads from 0 to 40 ms and jitter of ${JITTERS_MS.join(', ')} ms; the goal is at most half a percent of active packets.`,
    at: new Date().toISOString(),
    machine: describeMachine(),
    data: {
      keys,
      scenarios: NASTIEST,
      kneeMs: knee?.lookAheadMs ?? null,
      needed,
      defaultMs: LOOK_AHEAD_MS,
      tried,
      speech,
    },
    goals: [
      {
        name: 'the shortest look-ahead at which no key leaks',
        goal: 'measured in steps of 1 ms',
        measured: knee === undefined ? 'none that was tried' : `${knee.lookAheadMs} ms`,
        met: knee !== undefined,
      },
      {
        name: `the default look-ahead is the shortest that keeps speech too, on a line with ${line?.jitterMs ?? 0} ms of jitter, rounded up to ${ROUND_MS} ms`,
        goal: `${LOOK_AHEAD_MS} ms`,
        measured,
        met: line !== undefined && Math.ceil(line.ms / ROUND_MS) * ROUND_MS === LOOK_AHEAD_MS,
      },
    ],
    plots: [
      {
        title: "The attackers' worst upper 99 % bound at each look-ahead (goal: 9.33 %)",
        unit: '%',
        bars: tried.map(({ lookAheadMs, worst }) => ({
          name: `${lookAheadMs} ms`,
          value: 100 * worst,
          low: 100 * worst,
          high: 100 * worst,
        })),
      },
      ...JITTERS_MS.map((jitterMs) => ({
        title: `Active packets of speech silenced at each look-ahead, jitter ${jitterMs} ms (goal: 0.5 %)`,
        unit: '%',
        bars: speech
          .filter((one) => one.jitterMs === jitterMs)
          .map(({ lookAheadMs, silencedPart }) => ({
            name: `${lookAheadMs} ms`,
            value: 100 * silencedPart,
            low: 100 * silencedPart,
            high: 100 * silencedPart,
          })),
      })),
    ],
    notes: [
      'No key needs any look-ahead: the fixed filter takes the frequencies of all keys away, whatever the gate thinks. The gate needs the packet that follows to tell speech from a tone; without it ten times as much speech is silenced.',
      'Where packets come later than the look-ahead allows for, a little more speech is silenced, and nothing leaks.',
    ],
  }
}
