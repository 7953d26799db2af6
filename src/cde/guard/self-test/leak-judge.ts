import type { PlannedKey } from './canary-keys.ts'
import { KEY_FREQUENCIES, placeOf } from './test-voice.ts'

/**
 * A key is read when its row and its column each hold so much more than the mean of the other three. Of noise the share
 * follows an F distribution with 2 and 6 degrees of freedom: 30 is exceeded with (1 + 30 / 3)^-3, and by both at once
 * with 5.6e-7.
 */
const STANDS_OUT = 30
/** Two of 16 keys are read by chance once in 2.6e10 tests; a leak of half of them is eight. */
export const READ_KEYS_LEAK = 2
/**
 * Fragments are too short to stand out but still name their key. Were the likeliest key of some noise to come up one time
 * in eight, 14 of 16 right would happen once in 3e10 tests.
 */
export const NAMED_KEYS_LEAK = 14

export type LeakReading = { readonly read: number; readonly named: number }

/** A matched filter that knows when each key was pressed, on what the agent's side heard: samples in 16-bit units. */
export function readLeak(heard: Float64Array, keys: readonly PlannedKey[]): LeakReading {
  let read = 0
  let named = 0
  for (const planned of keys) {
    const { row, column } = placeOf(planned.key)
    const rows = KEY_FREQUENCIES.rows.map((hz) => powerAt(heard, planned, hz))
    const columns = KEY_FREQUENCIES.columns.map((hz) => powerAt(heard, planned, hz))
    if (standsOut(rows, row) && standsOut(columns, column)) read += 1
    if (isGreatest(rows, row) && isGreatest(columns, column)) named += 1
  }
  return { read, named }
}

export function isLeak(reading: LeakReading): boolean {
  return reading.read >= READ_KEYS_LEAK || reading.named >= NAMED_KEYS_LEAK
}

function standsOut(powers: readonly number[], place: number): boolean {
  const own = powers[place] ?? 0
  const others = powers.reduce((sum, power) => sum + power, 0) - own
  return own > 0 && own >= (STANDS_OUT * others) / (powers.length - 1)
}

function isGreatest(powers: readonly number[], place: number): boolean {
  const own = powers[place] ?? 0
  return own > 0 && powers.every((power, index) => index === place || power < own)
}

/** One bin of a Fourier transform over the time of a key, through a Hann window, so that one line hides no other. */
function powerAt(heard: Float64Array, key: PlannedKey, hz: number): number {
  let re = 0
  let im = 0
  for (let n = 0; n < key.samples; n += 1) {
    const window = 1 - Math.cos((2 * Math.PI * (n + 0.5)) / key.samples)
    const sample = (heard[key.start + n] ?? 0) * window
    const angle = (2 * Math.PI * hz * n) / 8_000
    re += sample * Math.cos(angle)
    im += sample * Math.sin(angle)
  }
  return re * re + im * im
}
