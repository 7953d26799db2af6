import { passLine } from './masked-line.ts'
import { payerPackets } from './payer-packets.ts'
import { PLAIN, type Scenario } from './scenario.ts'
import { encode, RMS_0_DBM0 } from './stimulus.ts'
import { promptsOf, VOICES, type VoiceName } from './voices.ts'

/** What talk-through masking does to speech without any key in it: all prompts of five languages, in packets of 20 ms. */
export type SpeechMeasure = SpeechCount & {
  /** The same with no key awaited: what a caller who only talks would lose. */
  readonly unawaited: SpeechCount
  readonly perVoice: readonly (SpeechCount & { readonly voice: VoiceName })[]
}

export type SpeechCount = {
  /** Packets above -45 dBm0. */
  readonly activePackets: number
  /** Of those, packets of which any sample was replaced by noise or did not leave. */
  readonly silenced: number
  /** Part of the samples of active packets that were replaced. */
  readonly replacedPart: number
  /** Of packets that passed: those that left other than they came, as a filter leaves them. */
  readonly filtered: number
  /** Loudness that passing took from them, dB. */
  readonly filteredDb: number
  readonly alarms: number
}

const PACKET = 160
const ACTIVE_MEAN_SQUARE = (RMS_0_DBM0 * 10 ** (-45 / 20)) ** 2
/** Prompts are spoken into one call until it is so long: a minute, as long as a customer takes for a card. */
const CALL_SAMPLES = 60 * 8_000

const LINE: Scenario = { ...PLAIN, name: 'speech', axis: 'talkOver', at: 0 }

type Line = {
  /** Of each voice; without it all of it. */
  readonly minutesMax?: number
  readonly lookAheadMs?: number
  /** Packets come up to this much late. */
  readonly jitterMs?: number
}

/** What is silenced of speech while keys are awaited, on a line and with a look-ahead of one's own. */
export function countSpeech(line: Line): SpeechCount {
  return countOf(VOICES.map((voice) => measureVoice(voice, { ...line, keysExpected: true })))
}

/** All voices, or the first minutes of each. */
export function measureSpeech(options: Pick<Line, 'minutesMax'>): SpeechMeasure {
  const awaited = VOICES.map((voice) => ({ voice, sums: measureVoice(voice, { ...options, keysExpected: true }) }))
  const unawaited = VOICES.map((voice) => measureVoice(voice, { ...options, keysExpected: false }))
  return {
    ...countOf(awaited.map(({ sums }) => sums)),
    unawaited: countOf(unawaited),
    perVoice: awaited.map(({ voice, sums }) => ({ voice, ...countOf([sums]) })),
  }
}

type Sums = {
  active: number
  silenced: number
  replaced: number
  filtered: number
  energyBefore: number
  energyAfter: number
  alarms: number
}

function measureVoice(voice: VoiceName, options: Line & { readonly keysExpected: boolean }): Sums {
  const sums = noSums()
  const samplesMax = (options.minutesMax ?? Infinity) * 60 * 8_000
  let measured = 0
  let seed = 1
  let call: number[] = []
  const finish = (): void => {
    while (call.length % PACKET !== 0) call.push(0)
    addCall(sums, Int16Array.from(call), { ...options, seed })
    measured += call.length
    seed += 1
    call = []
  }
  for (const prompt of promptsOf(voice)) {
    for (const sample of prompt) call.push(sample)
    if (call.length >= CALL_SAMPLES) finish()
    if (measured >= samplesMax) return sums
  }
  if (call.length > 0) finish()
  return sums
}

function addCall(
  sums: Sums,
  speech: Int16Array,
  options: Line & { readonly seed: number; readonly keysExpected: boolean },
): void {
  const audio = encode(speech, 'ulaw')
  const silence = new Float32Array(0)
  const jittery = { ...LINE, network: { ...LINE.network, jitterMs: options.jitterMs ?? 0 } }
  const packets = payerPackets(jittery, { presses: [], audio, tone: silence, speech: silence }, options.seed)
  const line = passLine(packets, { samples: audio.length, law: 'ulaw', ...options })
  const { arrived } = line.arrivals
  const replacedAt = new Map(line.sent.map(({ position, replaced }) => [position, replaced]))
  sums.alarms += line.alarms
  for (let at = 0; at < audio.length; at += PACKET) {
    let before = 0
    let after = 0
    let altered = 0
    for (let n = at; n < at + PACKET; n += 1) {
      const [came, left] = [arrived[n] ?? 0, line.heard[n] ?? 0]
      before += came * came
      after += left * left
      if (came !== left) altered += 1
    }
    if (before < ACTIVE_MEAN_SQUARE * PACKET) continue
    sums.active += 1
    const replaced = replacedAt.get(at) ?? PACKET
    sums.replaced += replaced
    if (replaced > 0) sums.silenced += 1
    else {
      sums.energyBefore += before
      sums.energyAfter += after
      if (altered > 0) sums.filtered += 1
    }
  }
}

function countOf(all: readonly Sums[]): SpeechCount {
  const sum = noSums()
  for (const one of all) for (const name of Object.keys(sum) as (keyof Sums)[]) sum[name] += one[name]
  return {
    activePackets: sum.active,
    silenced: sum.silenced,
    replacedPart: sum.replaced / Math.max(1, sum.active * PACKET),
    filtered: sum.filtered,
    filteredDb: Math.round(100 * 10 * Math.log10(sum.energyBefore / Math.max(1, sum.energyAfter))) / 100,
    alarms: sum.alarms,
  }
}

function noSums(): Sums {
  return { active: 0, silenced: 0, replaced: 0, filtered: 0, energyBefore: 0, energyAfter: 0, alarms: 0 }
}
