import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeAlaw, decodeUlaw, encodeUlaw } from '../../src/cde/guard/g711.ts'
import type { KeyPress } from '../../src/cde/guard/key-press.ts'
import { ToneReceiver } from '../../src/cde/guard/tone-receiver.ts'
import { seededRandom } from '../../test/fakes/seeded-random.ts'
import { keyRun, KEYS, type KeyRun, type Region } from './key-line.ts'

/**
 * Does capture take every tone that ITU-T Q.24 says it must, none that it must not, and none from voices? Offline, through
 * the guard's own receiver, a new one for every sixteen keys.
 */
export function measureCapture(options: {
  readonly seed: number
  /** Keys drawn from all of the specification at once, keys for each row of the tables, and levels at which voices are heard. */
  readonly keys: number
  readonly keysPerRow: number
  readonly voiceGainsDb: readonly number[]
}): CaptureMeasure {
  const { seed, keysPerRow } = options
  const { keys, captured, extra } = measureRegion(IN_SPEC, { seed, keys: options.keys })
  const perAxis = AXES.map(([name, region], index) => ({
    name,
    ...measureRegion(region, { seed: seed + 1 + index, keys: keysPerRow }),
  }))
  const outOfSpec = BEYOND.map(([name, region], index) => {
    const found = measureRegion(region, { seed: seed + 101 + index, keys: keysPerRow })
    return { name, keys: found.keys, taken: found.captured + found.extra }
  })
  const perVoice = VOICES.flatMap((voice) => measureVoice(voice, options.voiceGainsDb))
  const hours = perVoice.reduce((sum, voice) => sum + voice.hours, 0)
  const falseKeys = perVoice.reduce((sum, voice) => sum + voice.falseKeys, 0)
  const falsePerHour = hours === 0 ? 0 : falseKeys / hours
  return { inSpec: keys, captured, extra, falseKeys, hours, falsePerHour, perAxis, outOfSpec, perVoice }
}

/** All of the goal: ten thousand keys, and five voices as recorded, louder and fainter. */
export const FULL_MEASURE = { seed: 24, keys: 10_000, keysPerRow: 1_000, voiceGainsDb: [0, 6, -12] } as const

export type CaptureMeasure = {
  /** Keys drawn from everything that must be taken, all at once. */
  readonly inSpec: number
  readonly captured: number
  /** Keys told beside those: doubled, or another one. */
  readonly extra: number
  /** Keys heard in voices, where there were none. The same recordings at each level, so hours are not all different speech. */
  readonly falseKeys: number
  readonly hours: number
  readonly falsePerHour: number
  readonly perAxis: readonly (RegionMeasure & { readonly name: string })[]
  /** `taken` should be 0. */
  readonly outOfSpec: readonly { readonly name: string; readonly keys: number; readonly taken: number }[]
  readonly perVoice: readonly VoiceMeasure[]
}

export type RegionMeasure = { readonly keys: number; readonly captured: number; readonly extra: number }

export type VoiceMeasure = {
  readonly voice: string
  readonly gainDb: number
  /** Of what is not pause. */
  readonly levelDbm0: number
  readonly hours: number
  readonly falseKeys: number
  /** Of the receiver, for 20 ms. */
  readonly usPerPacket: number
}

/** What AT&T asks in annex A of Q.24, with 2 Hz of offset and 4 dB of range on top as the usual test tapes have them. */
const IN_SPEC: Region = {
  onMs: [40, 200],
  offMs: [40, 200],
  dbm0: [-29, 0],
  weakestDbm0: -29,
  twistDb: [-8, 4],
  rowOffset: [-0.015, 0.015],
  columnOffset: [-0.015, 0.015],
  offsetHz: [0, 2],
  noiseBelowDb: [15, 40],
  holeMs: 0,
}
const NOMINAL: Region = {
  ...IN_SPEC,
  onMs: [60, 100],
  offMs: [60, 100],
  dbm0: [-12, -6],
  twistDb: [0, 2],
  rowOffset: [-0.005, 0.005],
  columnOffset: [-0.005, 0.005],
  offsetHz: [0, 0],
  noiseBelowDb: null,
}
const HIGH = [0.015, 0.015] as const
const LOW = [-0.015, -0.015] as const

/** One limit at a time with all else anywhere in spec, then the administrations of Q.24 annex A one by one. */
const AXES: readonly (readonly [string, Region])[] = [
  ['40 ms tones', { ...IN_SPEC, onMs: [40, 40] }],
  ['40 ms pauses', { ...IN_SPEC, offMs: [40, 40] }],
  ['40 ms tones and pauses', { ...IN_SPEC, onMs: [40, 40], offMs: [40, 40] }],
  ['both tones 1.5 % and 2 Hz high', { ...IN_SPEC, rowOffset: HIGH, columnOffset: HIGH, offsetHz: [2, 2] }],
  ['both tones 1.5 % and 2 Hz low', { ...IN_SPEC, rowOffset: LOW, columnOffset: LOW, offsetHz: [2, 2] }],
  ['row high, column low', { ...IN_SPEC, rowOffset: HIGH, columnOffset: LOW, offsetHz: [2, 2] }],
  ['row low, column high', { ...IN_SPEC, rowOffset: LOW, columnOffset: HIGH, offsetHz: [2, 2] }],
  ['column 4 dB above', { ...IN_SPEC, twistDb: [4, 4] }],
  ['column 8 dB below', { ...IN_SPEC, twistDb: [-8, -8] }],
  ['0 dBm0, which clips', { ...IN_SPEC, dbm0: [0, 0] }],
  ['-29 dBm0', { ...IN_SPEC, dbm0: [-29, -29], twistDb: [0, 0] }],
  ['-36 dBm0', { ...NOMINAL, dbm0: [-36, -36], weakestDbm0: -36, twistDb: [0, 0] }],
  ['noise 15 dB below', { ...IN_SPEC, noiseBelowDb: [15, 15] }],
  ['noise 12 dB below', { ...NOMINAL, noiseBelowDb: [12, 12] }],
  ['hole of 10 ms', { ...IN_SPEC, onMs: [90, 200], holeMs: 10 }],
  [
    'NTT',
    {
      ...IN_SPEC,
      offMs: [30, 200],
      dbm0: [-24, -3],
      weakestDbm0: -24,
      twistDb: [-5, 5],
      rowOffset: [-0.018, 0.018],
      columnOffset: [-0.018, 0.018],
      offsetHz: [0, 0],
    },
  ],
  ['AT&T', { ...IN_SPEC, dbm0: [-25, 0], weakestDbm0: -25, offsetHz: [0, 0] }],
  ['Denmark', { ...IN_SPEC, dbm0: [-27, -2], weakestDbm0: -27, twistDb: [-6, 6] }],
  [
    'Denmark, hole of 20 ms',
    { ...IN_SPEC, onMs: [90, 200], dbm0: [-27, -2], weakestDbm0: -27, twistDb: [-6, 6], holeMs: 20 },
  ],
  [
    'Australia',
    { ...IN_SPEC, offMs: [70, 200], dbm0: [-27, -5], weakestDbm0: -27, twistDb: [-10, 10], offsetHz: [0, 4] },
  ],
  [
    'Australia, hole of 12 ms',
    {
      ...IN_SPEC,
      onMs: [90, 200],
      offMs: [70, 200],
      dbm0: [-27, -5],
      weakestDbm0: -27,
      twistDb: [-10, 10],
      offsetHz: [0, 4],
      holeMs: 12,
    },
  ],
  [
    'Brazil',
    {
      ...IN_SPEC,
      offMs: [30, 200],
      dbm0: [-25, -3],
      weakestDbm0: -25,
      twistDb: [-9, 9],
      rowOffset: [-0.018, 0.018],
      columnOffset: [-0.018, 0.018],
      offsetHz: [0, 0],
    },
  ],
]

/** Past a limit on one axis, with nothing else wrong. */
const BEYOND: readonly (readonly [string, Region])[] = [
  ['both tones 3.5 % high', { ...IN_SPEC, rowOffset: [0.035, 0.045], columnOffset: [0.035, 0.045], offsetHz: [0, 0] }],
  [
    'both tones 3.5 % low',
    { ...IN_SPEC, rowOffset: [-0.045, -0.035], columnOffset: [-0.045, -0.035], offsetHz: [0, 0] },
  ],
  ['row 3.5 % high', { ...IN_SPEC, rowOffset: [0.035, 0.045] }],
  ['row 3.5 % low', { ...IN_SPEC, rowOffset: [-0.045, -0.035] }],
  ['column 3.5 % high', { ...IN_SPEC, columnOffset: [0.035, 0.045] }],
  ['column 3.5 % low', { ...IN_SPEC, columnOffset: [-0.045, -0.035] }],
  ['row 3 % high, noise-free', { ...NOMINAL, rowOffset: [0.03, 0.03] }],
  ['row 3 % low, noise-free', { ...NOMINAL, rowOffset: [-0.03, -0.03] }],
  ['5 to 20 ms tones', { ...IN_SPEC, onMs: [5, 20] }],
  ['20 to 23 ms tones', { ...IN_SPEC, onMs: [20, 23] }],
  ['below -55 dBm0', { ...IN_SPEC, dbm0: [-70, -55], weakestDbm0: -80, noiseBelowDb: null }],
  ['column 15 dB below', { ...IN_SPEC, twistDb: [-20, -15] }],
  ['column 15 dB above', { ...IN_SPEC, twistDb: [15, 20] }],
]

function measureRegion(region: Region, options: { readonly seed: number; readonly keys: number }): RegionMeasure {
  const random = seededRandom(options.seed)
  let [keys, captured, extra] = [0, 0, 0]
  while (keys < options.keys) {
    const run = keyRun(region, random)
    const found = compare(run, hearRun(run))
    keys += KEYS
    captured += found.captured
    extra += found.extra
  }
  return { keys, captured, extra }
}

function hearRun(run: KeyRun): readonly KeyPress[] {
  const presses: KeyPress[] = []
  const receiver = new ToneReceiver((press) => presses.push(press))
  const decode = run.law === 'ulaw' ? decodeUlaw : decodeAlaw
  for (let at = 0; at < run.payload.length; at += run.ptimeMs * 8)
    receiver.accept(decode(run.payload.subarray(at, at + run.ptimeMs * 8)), at / 8, at / 8 + run.ptimeMs)
  return presses
}

/** A key is captured if it was told inside of its tone; all else that was told is extra. */
function compare(run: KeyRun, presses: readonly KeyPress[]): { readonly captured: number; readonly extra: number } {
  const taken = new Set<KeyPress>()
  for (const sent of run.keys) {
    const press = presses.find(
      (heard) =>
        !taken.has(heard) && heard.key === sent.key && heard.startMs < sent.endMs && heard.endMs > sent.startMs,
    )
    if (press !== undefined) taken.add(press)
  }
  return { captured: taken.size, extra: presses.length - taken.size }
}

/** Debian's asterisk-core-sounds-<language>-wav: real voices, 8 kHz, 16 bit. */
const SOUNDS = '/usr/share/asterisk/sounds'
const VOICES = ['en_US_f_Allison', 'es_MX_f_Allison', 'fr_CA_f_June', 'it_IT_m_Carlo', 'ru_RU_f_IvrvoiceRU']
const WAV_HEADER_BYTES = 44

/** What a line makes of them: u-law, clipped where they are too loud. Below this a sample is pause. */
const PAUSE_SAMPLE_MAX = 100
const PEAK_0_DBM0 = 22_300
const PACKET_SAMPLES = 160

function measureVoice(voice: string, gainsDb: readonly number[]): readonly VoiceMeasure[] {
  const recorded = gainsDb.length === 0 ? new Int16Array(0) : samplesOf(join(SOUNDS, voice))
  return gainsDb.map((gainDb) => {
    const gain = 10 ** (gainDb / 20)
    const line = decodeUlaw(
      encodeUlaw(recorded.map((sample) => Math.max(-32_768, Math.min(32_767, Math.round(gain * sample))))),
    )
    let falseKeys = 0
    const receiver = new ToneReceiver(() => (falseKeys += 1))
    const startedUs = process.cpuUsage().user
    for (let at = 0; at < line.length; at += PACKET_SAMPLES)
      receiver.accept(line.subarray(at, at + PACKET_SAMPLES), at / 8, at / 8 + 20)
    const spentUs = process.cpuUsage().user - startedUs
    return {
      voice,
      gainDb,
      levelDbm0: levelOf(line),
      hours: line.length / 8000 / 3600,
      falseKeys,
      usPerPacket: (spentUs * PACKET_SAMPLES) / line.length,
    }
  })
}

function levelOf(samples: Int16Array): number {
  let [energy, active] = [0, 1]
  for (const sample of samples) {
    if (Math.abs(sample) <= PAUSE_SAMPLE_MAX) continue
    energy += sample * sample
    active += 1
  }
  return 10 * Math.log10((2 * energy) / active / PEAK_0_DBM0 ** 2)
}

function samplesOf(folder: string): Int16Array {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.wav'))
    .sort()
  const files = names.map((name) => readFileSync(join(folder, name)).subarray(WAV_HEADER_BYTES))
  const samples = new Int16Array(files.reduce((sum, bytes) => sum + (bytes.length >> 1), 0))
  let filled = 0
  for (const bytes of files)
    for (let at = 0; at + 1 < bytes.length; at += 2) {
      samples[filled] = bytes.readInt16LE(at)
      filled += 1
    }
  return samples
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(measureCapture(FULL_MEASURE), null, 2)}\n`)
