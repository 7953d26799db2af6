import { decodeALaw, decodeMuLaw, encodeALaw, encodeMuLaw } from '../../src/demo/audio/g711.ts'
import { seededRandom } from '../../src/demo/audio/seeded-random.ts'
import { COLUMNS_HZ, KEYS, ROWS_HZ, type Scenario } from './scenario.ts'
import type { Voice } from './voices.ts'

export const SAMPLES_PER_MS = 8

/** RMS of 0 dBm0 in 16-bit G.711 units: a full sine is 3.17 dBm0 at a peak of 32,124 (ITU-T G.711). */
export const RMS_0_DBM0 = (32_124 / Math.SQRT2) * 10 ** (-3.17 / 20)

/** Where a key lies in a call, in samples of its first packet's clock. */
export type KeyPress = {
  /** Index into KEYS. */
  readonly key: number
  readonly start: number
  readonly samples: number
}

/** What one payer's line carries: some twenty keys, speech and noise drawn anew. */
export type Stimulus = {
  readonly presses: readonly KeyPress[]
  /** G.711 as the payer sends it, a byte a sample. */
  readonly audio: Uint8Array
  /** The clean tones alone, 16-bit units: what a leak is measured against. */
  readonly tone: Float32Array
  /** The payer's speech alone. */
  readonly speech: Float32Array
}

/** After the last key, so that all that is held comes out and the judges see the end of it. */
const TAIL_MS = 300
/** The tones' own slopes: a telephone's switch is not instant, and a click would tell more than a tone. */
const SLOPE_SAMPLES = 8
const GAUSSIANS = 1 << 16

/** Makes one call of a scenario: the same seed gives the same call everywhere. */
export function makeStimulus(
  scenario: Scenario,
  options: { readonly keys?: number; readonly seed: number; readonly voices: readonly Voice[] },
): Stimulus {
  const random = seededRandom(options.seed)
  const between = ([least, most]: readonly [number, number]): number =>
    Math.round((least + random() * (most - least)) * SAMPLES_PER_MS)
  const presses: KeyPress[] = []
  // A first key at every phase against the packets.
  let at = Math.round((scenario.firstKeyMs + random() * scenario.ptimeMs) * SAMPLES_PER_MS)
  for (let index = 0; index < (options.keys ?? scenario.keysPerCall); index += 1) {
    const samples = Math.max(1, between(scenario.toneMs))
    presses.push({ key: Math.floor(random() * KEYS.length), start: at, samples })
    at += samples + between(scenario.gapMs)
  }
  const packet = scenario.ptimeMs * SAMPLES_PER_MS
  const length = Math.ceil((at + TAIL_MS * SAMPLES_PER_MS) / packet) * packet
  const tone = new Float32Array(length)
  for (const press of presses) addTone(tone, { scenario, press, random })
  const speech = new Float32Array(length)
  if (scenario.talkOverDb !== null) {
    addSpeech(speech, { levelDbm0: scenario.levelDbm0 + scenario.talkOverDb, voices: options.voices, random })
  }
  const sum = new Float32Array(length)
  addNoise(sum, { scenario, random })
  const linear = new Int16Array(length)
  for (let n = 0; n < length; n += 1) {
    const sample = (sum[n] ?? 0) + (tone[n] ?? 0) + (speech[n] ?? 0)
    linear[n] = Math.max(-32_700, Math.min(32_700, Math.round(sample)))
  }
  return { presses, audio: encode(linear, scenario.law), tone, speech }
}

export function encode(samples: Int16Array, law: 'ulaw' | 'alaw'): Uint8Array {
  return law === 'ulaw' ? encodeMuLaw(samples) : encodeALaw(samples)
}

/** Each byte's value in 16-bit units. */
export const LINEAR: Readonly<Record<'ulaw' | 'alaw', Int16Array>> = {
  ulaw: decodeMuLaw(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
  alaw: decodeALaw(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
}

/** How many samples of a tone the payer's audio holds. */
export function audibleSamples(scenario: Scenario, press: KeyPress): number {
  const { tone } = scenario.transport
  if (tone === 'whole') return press.samples
  return tone === 'none' ? 0 : Math.min(press.samples, tone.leadMs * SAMPLES_PER_MS)
}

function addTone(
  into: Float32Array,
  added: { readonly scenario: Scenario; readonly press: KeyPress; readonly random: () => number },
): void {
  const { scenario, press, random } = added
  const audible = audibleSamples(scenario, press)
  const row = 10 ** (-scenario.twistDb / 40)
  const column = 10 ** (scenario.twistDb / 40)
  const unit = (RMS_0_DBM0 * 10 ** (scenario.levelDbm0 / 20)) / Math.sqrt((row * row + column * column) / 2)
  const phases = [random(), random()]
  addSine(into, { hz: rowHz(press.key) * (1 + scenario.offset), peak: unit * row, phase: phases[0] ?? 0 })
  addSine(into, { hz: columnHz(press.key) * (1 + scenario.offset), peak: unit * column, phase: phases[1] ?? 0 })

  /** A sine by its recurrence, two multiplications a sample, with a slope of a millisecond at most at either end. */
  function addSine(target: Float32Array, sine: { hz: number; peak: number; phase: number }): void {
    const step = (2 * Math.PI * sine.hz) / 8_000
    const slope = Math.min(SLOPE_SAMPLES, audible / 4)
    const twice = 2 * Math.cos(step)
    let before = sine.peak * Math.sin(2 * Math.PI * sine.phase - step)
    let now = sine.peak * Math.sin(2 * Math.PI * sine.phase)
    for (let n = 0; n < audible; n += 1) {
      const edge = Math.min(1, (n + 0.5) / slope, (audible - n - 0.5) / slope)
      target[press.start + n] = (target[press.start + n] ?? 0) + now * edge
      const next = twice * now - before
      before = now
      now = next
    }
  }
}

export function rowHz(key: number): number {
  return ROWS_HZ[Math.floor(key / COLUMNS_HZ.length)] ?? 0
}

export function columnHz(key: number): number {
  return COLUMNS_HZ[key % COLUMNS_HZ.length] ?? 0
}

/** A stretch of one voice, begun anywhere. */
function addSpeech(
  into: Float32Array,
  added: { readonly levelDbm0: number; readonly voices: readonly Voice[]; readonly random: () => number },
): void {
  const voice = added.voices[Math.floor(added.random() * added.voices.length)]
  if (voice === undefined || voice.samples.length === 0) throw new Error('a scenario with speech needs voices')
  const gain = (RMS_0_DBM0 * 10 ** (added.levelDbm0 / 20)) / voice.activeRms
  let from = Math.floor(added.random() * voice.samples.length)
  for (let n = 0; n < into.length; n += 1) {
    into[n] = gain * (voice.samples[from] ?? 0)
    from = from + 1 === voice.samples.length ? 0 : from + 1
  }
}

let gaussians: Float32Array | undefined

function addNoise(into: Float32Array, added: { readonly scenario: Scenario; readonly random: () => number }): void {
  const { noise, levelDbm0 } = added.scenario
  if (noise.kind === 'none') return
  const rms = RMS_0_DBM0 * 10 ** ((levelDbm0 - noise.snrDb) / 20)
  if (noise.kind === 'hum') {
    // Mains hum: 50 Hz and its odd harmonics, each half as loud as the one before.
    const parts = [50, 150, 250, 350].map((hz, index) => ({ hz, peak: 0.5 ** index, phase: added.random() }))
    const power = parts.reduce((sum, { peak }) => sum + (peak * peak) / 2, 0)
    for (const { hz, peak, phase } of parts) {
      for (let n = 0; n < into.length; n += 1) {
        const value = Math.sin(2 * Math.PI * ((hz * n) / 8_000 + phase))
        into[n] = (into[n] ?? 0) + ((rms * peak) / Math.sqrt(power)) * value
      }
    }
    return
  }
  gaussians ??= gaussianTable()
  // A table read from anywhere, in two strides at once, repeats itself only after hours.
  let first = Math.floor(added.random() * GAUSSIANS)
  let second = Math.floor(added.random() * GAUSSIANS)
  for (let n = 0; n < into.length; n += 1) {
    first = (first + 1) & (GAUSSIANS - 1)
    second = (second + 3) & (GAUSSIANS - 1)
    into[n] = (into[n] ?? 0) + rms * Math.SQRT1_2 * ((gaussians[first] ?? 0) + (gaussians[second] ?? 0))
  }
}

function gaussianTable(): Float32Array {
  const random = seededRandom(1_809)
  return Float32Array.from(
    { length: GAUSSIANS },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  )
}
