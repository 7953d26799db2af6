import { seededRandom } from '../audio/seeded-random.ts'
import type { PressedKey } from '../phone/phone-protocol.ts'
import { upperBound99 } from './binomial-bound.ts'
import type { Recording } from './recording.ts'
import { ToneField } from './tone-field.ts'

export type MatchedFilterReading = {
  /** Keys rightly named where the statistic was above what the recording's key-free stretches ever reach. */
  readonly read: number
  /** What the filter says when it must name every key. */
  readonly forcedChoice: ForcedChoice
  /** The same for each sub-window length alone. */
  readonly byWindow: readonly (ForcedChoice & { readonly windowMs: number; readonly offsetMs: number })[]
}

export type ForcedChoice = {
  readonly hits: number
  readonly tries: number
  readonly chance: number
  /** One-sided 99 % upper bound of the hit rate. */
  readonly upper99: number
}

/** Keys as the attacker knows them: when each was pressed, and the truth to be judged by. */
export type MatchedFilterTask = {
  readonly recording: Recording
  readonly keys: readonly PressedKey[]
  /** The keys that the attacker chooses among. */
  readonly alphabet?: string
}

const ALPHABET = '0123456789*#'

/** Sub-windows in ms; the whole key is always tried too. Under 5 ms neighbouring rows cannot be told apart. */
const WINDOWS_MS = [5, 10, 20, 40] as const

/** The delay between key and recording that is tried, in ms. */
const DELAY_MIN_MS = -20
const DELAY_MAX_MS = 120

/** Offsets are tried in steps of 2.5 ms, and keys may be this far from the common offset. */
const STEP = 20
const WANDER = 2 * STEP

/** Key-free trials start every 10 ms, and keep this far away from every key. */
const TRIAL_STEP = 80
const CLEAR_BEFORE = 800
const CLEAR_AFTER = 2_400

/** White noise that bounds every threshold from below, for recordings with little or no key-free sound. */
const NOISE_SAMPLES = 160_000
const NOISE_SEED = 7
const NOISE_PEAK = 500

/**
 * A matched filter that knows when each key was pressed and for how long: the strongest reader there is.
 *
 * It learns one offset for each sub-window length from the recording alone (the one at which all key times together
 * look most like tones), never from the truth, so that a forced choice on nothing stays at chance. `read` takes, for
 * each key, the reading that stands furthest above its threshold: at the common offset, or anywhere within the key.
 * A threshold is the largest value in the recording's own key-free stretches (hundreds to thousands of trials, so
 * that a false alarm is about one in a thousand) and in white noise.
 */
export function readMatchedFilter(task: MatchedFilterTask): MatchedFilterReading {
  const alphabet = Array.from(task.alphabet ?? ALPHABET)
  const field = new ToneField(task.recording.samples)
  const keys = task.keys.map((key): PlacedKey => ({
    key: key.key,
    from: Math.round((key.atUs - task.recording.startUs) / 125),
    length: Math.round(key.onMs * 8),
  }))
  const longest = keys.reduce((most, { length }) => Math.max(most, length), 0)
  const lengths = [...WINDOWS_MS.map((ms) => ms * 8).filter((length) => length < longest), longest]
  const lookers = lengths.map((length) => new Looker(field, length, longest))
  const noise = new ToneField(whiteNoise())
  const trials = keyFree(field.length, keys)
  const noiseTrials = keyFree(noise.length, [])
  const whole = lookers.at(-1)
  const delay = whole === undefined ? 0 : whole.commonOffset(keys)
  const views = lookers.map((looker) => {
    const quiet = new Looker(noise, looker.length, longest)
    const offset = looker.commonOffset(keys)
    const nulls = trials.map((from) => looker.near(from).value)
    const all = [...nulls, ...noiseTrials.map((from) => quiet.near(from).value)]
    const evidence = keys.reduce((sum, { from }) => sum + looker.at(from + offset), 0) / Math.max(1, keys.length)
    return {
      looker,
      offset,
      nearThreshold: largest(all),
      withinThreshold: largest([
        ...trials.map((from) => looker.within(from).value),
        ...noiseTrials.map((from) => quiet.within(from).value),
      ]),
      standing: (evidence - mean(all)) / (deviation(all) / Math.sqrt(Math.max(1, keys.length))),
    }
  })
  const random = seededRandom(keys.length)
  const byWindow = views.map(({ looker, offset, standing }) => {
    const hits = keys.filter(
      ({ key, from }) => key === nameKey(field, { from: from + offset, length: looker.length }, alphabet, random),
    ).length
    return {
      standing,
      reading: { ...choice(hits, keys.length, alphabet), windowMs: looker.length / 8, offsetMs: offset / 8 },
    }
  })
  const best = byWindow.reduce<(typeof byWindow)[number] | undefined>(
    (most, view) => (most === undefined || view.standing > most.standing ? view : most),
    undefined,
  )
  const read = keys.filter(({ key, from }) => {
    const sights = views.flatMap(({ looker, offset, nearThreshold, withinThreshold }) => {
      const near = looker.near(from + offset)
      const within = looker.within(from + delay)
      return [
        { at: near.at, length: looker.length, ratio: near.value / nearThreshold },
        { at: within.at, length: looker.length, ratio: within.value / withinThreshold },
      ]
    })
    const clearest = sights.reduce((most, sight) => (sight.ratio > most.ratio ? sight : most), {
      at: 0,
      length: longest,
      ratio: 1,
    })
    if (clearest.ratio <= 1) return false
    return key === nameKey(field, { from: clearest.at, length: clearest.length }, alphabet, random)
  }).length
  const { hits, tries, chance, upper99 } = best?.reading ?? choice(0, 0, alphabet)
  return { read, forcedChoice: { hits, tries, chance, upper99 }, byWindow: byWindow.map(({ reading }) => reading) }
}

type PlacedKey = { readonly key: string; readonly from: number; readonly length: number }

/** Likeness to a pair of tones for one sub-window length, on a grid of 2.5 ms. */
class Looker {
  readonly length: number
  readonly #keyLength: number
  readonly #grid: Float64Array

  constructor(field: ToneField, length: number, keyLength: number) {
    this.length = length
    this.#keyLength = keyLength
    this.#grid = Float64Array.from({ length: Math.ceil(field.length / STEP) }, (_, cell) =>
      field.likeness({ from: cell * STEP, length }),
    )
  }

  at(from: number): number {
    return this.#grid[Math.round(from / STEP)] ?? 0
  }

  /** The offset at which all key times together look most like tones. */
  commonOffset(keys: readonly PlacedKey[]): number {
    const last = DELAY_MAX_MS * 8 + this.#keyLength - this.length
    let best = { offset: 0, sum: -1 }
    for (let offset = DELAY_MIN_MS * 8; offset <= last; offset += STEP) {
      const sum = keys.reduce((total, { from }) => total + this.at(from + offset), 0)
      if (sum > best.sum) best = { offset, sum }
    }
    return best.offset
  }

  /** The best place within 5 ms of where it should be. */
  near(from: number): Sight {
    return this.#best(from - WANDER, from + WANDER)
  }

  /** The best place anywhere within a key that starts here. */
  within(from: number): Sight {
    return this.#best(from, from + this.#keyLength - this.length)
  }

  #best(first: number, last: number): Sight {
    let best: Sight = { at: Math.round(first / STEP) * STEP, value: 0 }
    for (let at = first; at <= last; at += STEP) {
      const value = this.at(at)
      if (value > best.value) best = { at: Math.round(at / STEP) * STEP, value }
    }
    return best
  }
}

type Sight = { readonly at: number; readonly value: number }

/** The likeliest key of the alphabet; where there is nothing at all, a guess. */
function nameKey(
  field: ToneField,
  stretch: { readonly from: number; readonly length: number },
  alphabet: readonly string[],
  random: () => number,
): string {
  let best = { key: alphabet[Math.floor(random() * alphabet.length)] ?? '', product: 0 }
  for (const key of alphabet) {
    const { low, high } = field.pair(key, stretch)
    if (low * high > best.product) best = { key, product: low * high }
  }
  return best.key
}

function keyFree(length: number, keys: readonly PlacedKey[]): readonly number[] {
  const trials: number[] = []
  for (let from = 0; from + CLEAR_AFTER < length; from += TRIAL_STEP) {
    const near = keys.some(
      (key) => from > key.from - CLEAR_BEFORE - key.length && from < key.from + key.length + CLEAR_AFTER,
    )
    if (!near) trials.push(from)
  }
  return trials
}

function choice(hits: number, tries: number, alphabet: readonly string[]): ForcedChoice {
  return { hits, tries, chance: 1 / alphabet.length, upper99: upperBound99({ hits, tries }) }
}

function whiteNoise(): Int16Array {
  const random = seededRandom(NOISE_SEED)
  return Int16Array.from({ length: NOISE_SAMPLES }, () => Math.round((random() * 2 - 1) * NOISE_PEAK))
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) + 1e-9
}
