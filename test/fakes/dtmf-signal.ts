import { encodeUlaw } from '../../src/cde/guard/g711.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Rows and columns of ITU-T Q.23; key = 4 * row + column: 1 2 3 A 4 5 6 B 7 8 9 C * 0 # D. */
export const ROWS_HZ: readonly number[] = [697, 770, 852, 941]
export const COLUMNS_HZ: readonly number[] = [1209, 1336, 1477, 1633]
export const KEYS = ROWS_HZ.length * COLUMNS_HZ.length

/** RMS of 0 dBm0 in 16-bit G.711 units: a full sine is 3.17 dBm0 at a peak of 32,124. */
export const RMS_0_DBM0 = (32124 / Math.SQRT2) * 10 ** (-3.17 / 20)

/** Where each key lies in the signal, in samples. */
export type KeyPress = { readonly key: number; readonly start: number; readonly samples: number }

export type KeySeries = {
  readonly keys: readonly number[]
  /** Shortest and longest tone and gap, in samples; drawn at random between. */
  readonly tone: readonly [number, number]
  readonly gap: readonly [number, number]
  /** Of both frequencies together. */
  readonly levelDbm0: number
  /** Column over row. */
  readonly twistDb: number
  /** Part by which both frequencies are off. */
  readonly offset: number
}

export const NOMINAL: Omit<KeySeries, 'keys'> = {
  tone: [480, 960],
  gap: [480, 1200],
  levelDbm0: -10,
  twistDb: 0,
  offset: 0,
}

/** Adds the tones of a series of keys to silence, at every phase against the packets. */
export function keySeries(
  series: KeySeries,
  random: SeededRandom,
): { readonly signal: Float64Array; readonly presses: readonly KeyPress[] } {
  const presses: KeyPress[] = []
  let at = 800
  for (const key of series.keys) {
    const samples = series.tone[0] + random.below(series.tone[1] - series.tone[0] + 1)
    presses.push({ key, start: at, samples })
    at += samples + series.gap[0] + random.below(series.gap[1] - series.gap[0] + 1)
  }
  const signal = new Float64Array(at + 800)
  for (const press of presses) addTone({ signal, press, series, random })
  return { signal, presses }
}

function addTone(added: {
  readonly signal: Float64Array
  readonly press: KeyPress
  readonly series: KeySeries
  readonly random: SeededRandom
}): void {
  const { signal, press, series, random } = added
  const rms = RMS_0_DBM0 * 10 ** (series.levelDbm0 / 20)
  const row = 10 ** (-series.twistDb / 40)
  const column = 10 ** (series.twistDb / 40)
  const unit = rms / Math.sqrt((row * row + column * column) / 2)
  const lines = [
    { hz: ROWS_HZ[press.key >> 2] ?? 0, peak: unit * row, phase: random.next() },
    { hz: COLUMNS_HZ[press.key & 3] ?? 0, peak: unit * column, phase: random.next() },
  ]
  for (const { hz, peak, phase } of lines) {
    const step = (hz * (1 + series.offset)) / 8000
    for (let n = 0; n < press.samples; n += 1) {
      const index = press.start + n
      signal[index] = (signal[index] ?? 0) + peak * Math.sin(2 * Math.PI * (step * n + phase))
    }
  }
}

/** Adds speech so that its active parts lie this many dB above the given level. */
export function addSpeech(added: {
  readonly signal: Float64Array
  readonly speech: Int16Array
  readonly levelDbm0: number
  readonly from: number
}): void {
  const { signal, speech } = added
  let energy = 0
  let active = 1
  for (const sample of speech) {
    if (Math.abs(sample) <= 100) continue
    energy += sample * sample
    active += 1
  }
  const gain = (RMS_0_DBM0 * 10 ** (added.levelDbm0 / 20)) / Math.sqrt(energy / active)
  for (let index = 0; index < signal.length; index += 1) {
    signal[index] = (signal[index] ?? 0) + gain * (speech[(added.from + index) % speech.length] ?? 0)
  }
}

export function toUlaw(signal: Float64Array): Uint8Array {
  return encodeUlaw(Int16Array.from(signal, (value) => Math.max(-32000, Math.min(32000, Math.round(value)))))
}
