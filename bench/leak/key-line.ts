import { encodeAlaw, encodeUlaw, type G711Law } from '../../src/cde/guard/g711.ts'
import type { SeededRandom } from '../../test/fakes/seeded-random.ts'

/** A sine of 0 dBm0 in 16-bit samples (ITU-T G.711: the largest sine is 3.17 dBm0 in u-law). */
const PEAK_0_DBM0 = 22_300
const RATE_HZ = 8000
/** G.711 reaches no further. */
const SAMPLE_MAX = 32_124

/** ITU-T Q.23; row and column of each key as RFC 4733 numbers them. */
const ROWS_HZ = [697, 770, 852, 941]
const COLUMNS_HZ = [1209, 1336, 1477, 1633]
const PLACES = [13, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 14, 3, 7, 11, 15]
export const KEYS = PLACES.length

type Range = readonly [low: number, high: number]

/**
 * A part of what ITU-T Q.24 speaks of; every key is drawn from all of it at once. Frequencies are off by a part and by a
 * number of Hz on top, each tone for itself.
 */
export type Region = {
  readonly onMs: Range
  readonly offMs: Range
  /** Of the stronger tone. */
  readonly dbm0: Range
  /** The weaker tone is no weaker than this. */
  readonly weakestDbm0: number
  /** Column above row. */
  readonly twistDb: Range
  readonly rowOffset: Range
  readonly columnOffset: Range
  /** To be added in the direction of the offset. */
  readonly offsetHz: Range
  /** White noise, up to 4 kHz, below the weaker tone; null for none. */
  readonly noiseBelowDb: Range | null
  /** A hole in the middle of the tone. */
  readonly holeMs: number
}

export type SentKey = { readonly key: number; readonly startMs: number; readonly endMs: number }
export type KeyRun = {
  readonly keys: readonly SentKey[]
  readonly payload: Uint8Array
  readonly law: G711Law
  readonly ptimeMs: number
}

/** All sixteen keys in a random order, as one telephone would send them over one line. */
export function keyRun(region: Region, random: SeededRandom): KeyRun {
  const between = ([low, high]: Range) => low + random.next() * (high - low)
  const twistDb = between(region.twistDb)
  const spanDb = Math.abs(twistDb)
  const strongDbm0 = between([
    Math.min(region.dbm0[1], Math.max(region.dbm0[0], region.weakestDbm0 + spanDb)),
    region.dbm0[1],
  ])
  const weakDbm0 = strongDbm0 - spanDb
  const [rowPeak, columnPeak] = [twistDb > 0 ? weakDbm0 : strongDbm0, twistDb > 0 ? strongDbm0 : weakDbm0].map(peakOf)
  const keys: (SentKey & { readonly start: number; readonly end: number })[] = []
  let at = (60 + 40 * random.next()) * (RATE_HZ / 1000)
  for (const key of shuffled(random)) {
    const onSamples = between(region.onMs) * (RATE_HZ / 1000)
    const [start, end] = [Math.ceil(at), Math.ceil(at + onSamples)]
    keys.push({ key, start, end, startMs: start / 8, endMs: end / 8 })
    at += onSamples + between(region.offMs) * (RATE_HZ / 1000)
  }
  const line = new Float64Array(Math.ceil(at) + RATE_HZ / 5)
  const noise = region.noiseBelowDb === null ? 0 : peakOf(weakDbm0 - between(region.noiseBelowDb)) / Math.SQRT2
  if (noise > 0) for (let index = 0; index < line.length; index += 1) line[index] = noise * random.gaussian()
  for (const { key, start, end } of keys) {
    const place = PLACES[key] ?? 0
    const tones = [
      { hz: offHz(ROWS_HZ[place >> 2] ?? 0, between(region.rowOffset), between(region.offsetHz)), peak: rowPeak ?? 0 },
      {
        hz: offHz(COLUMNS_HZ[place & 3] ?? 0, between(region.columnOffset), between(region.offsetHz)),
        peak: columnPeak ?? 0,
      },
    ]
    const holeStart = (start + end - region.holeMs * 8) / 2
    for (const { hz, peak } of tones) {
      const phase = 2 * Math.PI * random.next()
      for (let index = start; index < end; index += 1) {
        if (index >= holeStart && index < holeStart + region.holeMs * 8) continue
        line[index] = (line[index] ?? 0) + peak * Math.sin((2 * Math.PI * hz * index) / RATE_HZ + phase)
      }
    }
  }
  const samples = Int16Array.from(line, (value) => Math.max(-SAMPLE_MAX, Math.min(SAMPLE_MAX, Math.round(value))))
  const law = random.next() < 0.5 ? 'ulaw' : 'alaw'
  const ptimeMs = [10, 20, 20, 30, 60][random.below(5)] ?? 20
  return { keys, payload: law === 'ulaw' ? encodeUlaw(samples) : encodeAlaw(samples), law, ptimeMs }
}

function offHz(hz: number, offset: number, moreHz: number): number {
  return hz * (1 + offset) + Math.sign(offset) * moreHz
}

function peakOf(dbm0: number): number {
  return PEAK_0_DBM0 * 10 ** (dbm0 / 20)
}

function shuffled(random: SeededRandom): readonly number[] {
  const keys = Array.from({ length: KEYS }, (_, key) => key)
  for (let index = keys.length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1)
    ;[keys[index], keys[other]] = [keys[other] ?? 0, keys[index] ?? 0]
  }
  return keys
}
