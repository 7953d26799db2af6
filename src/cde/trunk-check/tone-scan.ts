import { G711_RATE_HZ } from '../guard/g711.ts'
import type { AudioTape } from './audio-tape.ts'
import { fitTones, keyAt, levelsOf, pairOf, type ToneFit } from './tone-fit.ts'
import { findSpans, type ToneSpan } from './tone-spans.ts'

/** A press that was heard as tone, with its stretches of tone in order. */
export type ToneTelling = { readonly key: number; readonly spans: readonly ToneSpan[] }

const SAMPLES_PER_MS = G711_RATE_HZ / 1000
/** 20 ms just tells two rows apart, 73 Hz. */
const FRAME_SAMPLES = 20 * SAMPLES_PER_MS
const HOP_SAMPLES = 5 * SAMPLES_PER_MS
/** How long a packet may be late or out of order before its place is read as missing. */
const LATE_SAMPLES = 200 * SAMPLES_PER_MS
const KNOWN_MIN = 0.5
/** Frames of one key that make a candidate: a tone of 35 ms fills this many. */
const HITS_MIN = 3
/** Frames without it that end one: a pause of 40 ms (ITU-T Q.24) has more. */
const MISSES_MAX = 6
/** Longer than a tape should be asked for; a longer tone is told in parts. */
const CANDIDATE_SAMPLES_MAX = 4_000 * SAMPLES_PER_MS
/** A tone without an event beside it must be as long as a receiver needs to believe it: speech is full of shorter ones. */
const TONE_SAMPLES_MIN = 25 * SAMPLES_PER_MS
const AROUND_SAMPLES = 60 * SAMPLES_PER_MS

const OFFSETS = [0, -0.015, 0.015, -0.03, 0.03] as const
const SHARE_MIN = 0.85
const LEVEL_DBM0_MIN = -45
const TWIST_DB_MAX = 15
/** Mean square below which no pair of tones of -45 dBm0 lies in the frame. */
const POWER_MIN = (22_300 * 10 ** (LEVEL_DBM0_MIN / 20)) ** 2
const ROWS = 4
const COLUMNS = 4

type Candidate = { readonly key: number; readonly first: number; last: number; hits: number; misses: number }

/** Looks for tones of any key in the audio, behind what may still arrive. It finds; the fit measures. */
export class ToneScan {
  readonly #tape: AudioTape
  readonly #told: (telling: ToneTelling) => void
  #next = 0
  #candidate: Candidate | null = null

  constructor(tape: AudioTape, told: (telling: ToneTelling) => void) {
    this.#tape = tape
    this.#told = told
  }

  /** Up to here everything has been looked at, and no tone goes on there. */
  get settled(): number {
    return this.#candidate?.first ?? this.#next
  }

  /** `toEnd`: nothing more will arrive. */
  run(toEnd = false): void {
    const end = this.#tape.head - (toEnd ? 0 : LATE_SAMPLES)
    // What has left the tape cannot be looked at any more.
    if (this.#next < this.#tape.tail) this.#next = this.#tape.tail
    for (; this.#next + FRAME_SAMPLES <= end; this.#next += HOP_SAMPLES) this.#judge(this.#next)
    if (toEnd) this.#close()
  }

  #judge(start: number): void {
    const key = keyInFrame(this.#tape, start)
    const candidate = this.#candidate
    if (candidate !== null && (key === candidate.key || key === null)) {
      if (key === null) candidate.misses += 1
      else {
        candidate.hits += 1
        candidate.misses = 0
        candidate.last = start + FRAME_SAMPLES
      }
      if (candidate.misses >= MISSES_MAX || start - candidate.first > CANDIDATE_SAMPLES_MAX) this.#close()
      return
    }
    if (key === null) return
    this.#close()
    this.#candidate = { key, first: start, last: start + FRAME_SAMPLES, hits: 1, misses: 0 }
  }

  #close(): void {
    const candidate = this.#candidate
    this.#candidate = null
    if (candidate === null || candidate.hits < HITS_MIN) return
    const { key, first, last } = candidate
    const within = { start: Math.max(first - AROUND_SAMPLES, this.#tape.tail), end: last + AROUND_SAMPLES }
    const spans = findSpans(this.#tape, key, within).filter((span) => span.start < last && span.end > first)
    const length = spans.reduce((sum, span) => sum + span.end - span.start, 0)
    if (length >= TONE_SAMPLES_MIN) this.#told({ key, spans })
  }
}

/** The key whose two tones are nearly all that the frame holds, or null. */
function keyInFrame(tape: AudioTape, start: number): number | null {
  const frame = new Float64Array(FRAME_SAMPLES)
  let known = 0
  let energy = 0
  for (let index = 0; index < FRAME_SAMPLES; index += 1) {
    const sample = tape.sample(start + index)
    frame[index] = sample
    energy += sample * sample
    if (tape.isKnown(start + index)) known += 1
  }
  if (known < KNOWN_MIN * FRAME_SAMPLES || energy < POWER_MIN * known) return null
  const key = keyAt(strongest(frame, ROW_WAVES), strongest(frame, COLUMN_WAVES))
  const nominal = pairOf(key)
  let best: ToneFit | null = null
  for (const offset of OFFSETS) {
    const pair = { lowHz: nominal.lowHz * (1 + offset), highHz: nominal.highHz * (1 + offset) }
    const fit = fitTones(tape, { start, end: start + FRAME_SAMPLES }, pair)
    if (fit !== null && (best === null || fit.explained > best.explained)) best = fit
    if (best === null) return null
    if (best.explained >= SHARE_MIN * best.energy) break
  }
  if (best === null || best.explained < SHARE_MIN * best.energy) return null
  const { lowDbm0, highDbm0 } = levelsOf(best)
  const isPair = Math.min(lowDbm0, highDbm0) >= LEVEL_DBM0_MIN && Math.abs(highDbm0 - lowDbm0) <= TWIST_DB_MAX
  return isPair ? key : null
}

type Wave = { readonly cosines: Float64Array; readonly sines: Float64Array }
const ROW_WAVES = Array.from({ length: ROWS }, (_, row) => waveOf(pairOf(keyAt(row, 0)).lowHz))
const COLUMN_WAVES = Array.from({ length: COLUMNS }, (_, column) => waveOf(pairOf(keyAt(0, column)).highHz))

/** Under a Hann window, so that a tone off its frequency is still counted. */
function waveOf(hz: number): Wave {
  const share = (index: number): number => 0.5 - 0.5 * Math.cos((2 * Math.PI * (index + 0.5)) / FRAME_SAMPLES)
  const angle = (index: number): number => (2 * Math.PI * hz * index) / G711_RATE_HZ
  return {
    cosines: Float64Array.from({ length: FRAME_SAMPLES }, (_, index) => share(index) * Math.cos(angle(index))),
    sines: Float64Array.from({ length: FRAME_SAMPLES }, (_, index) => share(index) * Math.sin(angle(index))),
  }
}

function strongest(frame: Float64Array, waves: readonly Wave[]): number {
  const powers = waves.map(({ cosines, sines }) => {
    let real = 0
    let imaginary = 0
    for (let index = 0; index < FRAME_SAMPLES; index += 1) {
      const sample = frame[index] ?? 0
      real += sample * (cosines[index] ?? 0)
      imaginary += sample * (sines[index] ?? 0)
    }
    return real * real + imaginary * imaginary
  })
  return powers.indexOf(Math.max(...powers))
}
