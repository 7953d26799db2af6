import { encodeUlaw } from '../../src/cde/guard/g711.ts'
import type { SeededRandom } from './seeded-random.ts'

/** A sine of 0 dBm0 in 16-bit samples (ITU-T G.711: the largest sine is 3.17 dBm0 in u-law). */
export const PEAK_0_DBM0 = 22_300

const RATE_HZ = 8000
const ROWS_HZ = [697, 770, 852, 941]
const COLUMNS_HZ = [1209, 1336, 1477, 1633]
/** Row and column of each key as RFC 4733 numbers them. */
const PLACES = [13, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 14, 3, 7, 11, 15]

export type Tone = {
  readonly key: number
  readonly onMs: number
  readonly offMs: number
  /** Level of the row tone, dBm0. */
  readonly dbm0?: number
  /** Column above row, in dB. */
  readonly twistDb?: number
  /** Relative frequency offset of both tones. */
  readonly offset?: number
  readonly rowOffset?: number
  readonly columnOffset?: number
}

/** A row of key presses as a telephone would send them: 16-bit samples at 8 kHz, clipped as a line clips. */
export function dtmfTones(
  tones: readonly Tone[],
  options: { readonly leadMs?: number; readonly noiseDbm0?: number; readonly random?: SeededRandom } = {},
): Int16Array {
  const { leadMs = 100, noiseDbm0, random } = options
  const totalMs = tones.reduce((sum, tone) => sum + tone.onMs + tone.offMs, leadMs) + 200
  const samples = new Int16Array(Math.ceil((totalMs * RATE_HZ) / 1000))
  const noiseRms = noiseDbm0 === undefined ? 0 : (PEAK_0_DBM0 / Math.SQRT2) * 10 ** (noiseDbm0 / 20)
  const put = (index: number, value: number) => {
    samples[index] = Math.max(-32_124, Math.min(32_124, Math.round(value)))
  }
  if (noiseRms > 0)
    for (let index = 0; index < samples.length; index += 1) put(index, noiseRms * (random?.gaussian() ?? 0))
  let atMs = leadMs
  for (const tone of tones) {
    const place = PLACES[tone.key] ?? 0
    const { dbm0 = -10, twistDb = 0, offset = 0, rowOffset = offset, columnOffset = offset } = tone
    const rowHz = (ROWS_HZ[Math.floor(place / 4)] ?? 0) * (1 + rowOffset)
    const columnHz = (COLUMNS_HZ[place % 4] ?? 0) * (1 + columnOffset)
    const row = PEAK_0_DBM0 * 10 ** (dbm0 / 20)
    const column = row * 10 ** (twistDb / 20)
    const first = Math.ceil((atMs * RATE_HZ) / 1000)
    const end = Math.ceil(((atMs + tone.onMs) * RATE_HZ) / 1000)
    const phase = (random?.next() ?? 0) * 2 * Math.PI
    for (let index = first; index < end; index += 1) {
      const angle = (2 * Math.PI * index) / RATE_HZ
      put(index, (samples[index] ?? 0) + row * Math.sin(angle * rowHz + phase) + column * Math.sin(angle * columnHz))
    }
    atMs += tone.onMs + tone.offMs
  }
  return samples
}

/** Cuts samples into u-law RTP payloads of one length. */
export function ulawPackets(samples: Int16Array, ptimeMs: number): readonly Uint8Array[] {
  const size = ptimeMs * 8
  return Array.from({ length: Math.ceil(samples.length / size) }, (_, index) =>
    encodeUlaw(samples.subarray(index * size, (index + 1) * size)),
  )
}
