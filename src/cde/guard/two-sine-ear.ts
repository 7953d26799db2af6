/** ITU-T Q.23, and how far off a line may be: the bench's 3.5 %, and what 10 ms of noise add to it. */
const LOW_HZ = [697, 770, 852, 941] as const
const HIGH_HZ = [1209, 1336, 1477, 1633] as const
const OFFSET_MAX = 0.04

/** A frame is two hops, 10 ms: the shortest stretch whose two frequencies can be told from speech. */
export const HOP_SAMPLES = 40

/**
 * Samples between the taps. Two apart, the eight frequencies lie well around the circle (62 to 147 degrees), so that
 * noise is not blown up; above 2 kHz they would be ambiguous, but no speech is pure there.
 */
const TAP = 2
const HISTORY_SAMPLES = 4 * TAP

/** Mean square of -55 dBm0: the guard's own noise is below, the quietest key of the bench ten dB above. */
const FLOOR_MEAN_SQUARE = 800

/** The part that two steady lines may leave unexplained of a frame: noise 13 dB below a key does not hide it. */
const RESIDUE_MAX = 0.12

/** Frames in a row, at the same two frequencies, that make a tone: 20 ms in all. 24 minutes of prompts have none. */
const FRAMES_NEEDED = 3
/** Audio of a tone that lies before the end of the frame it is first heard in. */
export const TONE_SAMPLES_MIN = (FRAMES_NEEDED + 1) * HOP_SAMPLES
const SAME_HZ = 25

/** No voice packet is longer: 100 ms, as the masker takes them. */
export const EAR_SAMPLES_MAX = 800

/**
 * Hears whether G.711 audio holds a key's tone, by other means than the gate. Where the gate compares spectra, this asks
 * whether the samples follow the recurrence of exactly two steady sines,
 *
 *     x[n] + x[n-4k] = a (x[n-k] + x[n-3k]) + b x[n-2k],    a = 2 (cos u + cos v),    b = -(2 + 4 cos u cos v),
 *
 * with k taps and angles u, v of k samples, and whether the two frequencies it finds are a key's. Under loud speech it
 * hears little.
 */
export class TwoSineEar {
  /** The end of what came before: what the next sample needs, and what did not fill a hop. */
  readonly #rest = new Int16Array(HISTORY_SAMPLES + HOP_SAMPLES)
  #kept = HISTORY_SAMPLES
  /** Sums of the last two hops, together a frame, and which of them is the newer one. */
  readonly #sums = new Float64Array(2 * SUMS)
  #newer: 0 | typeof SUMS = 0
  #wasQuiet = true
  #frames = 0
  #low = 0
  #high = 0
  #position = 0
  readonly #toneAt: (untilPosition: number) => void

  /** `toneAt` is told the end of each frame, counted like position, with which a tone has lasted TONE_SAMPLES_MIN or more. */
  constructor(toneAt: (untilPosition: number) => void = () => undefined) {
    this.#toneAt = toneAt
  }

  /** Samples taken so far. */
  get position(): number {
    return this.#position
  }

  /** Takes the next audio of a stream, `length` samples from `start` on, EAR_SAMPLES_MAX at most. True when a tone is heard in it. */
  hear(audio: Int16Array, start: number, length: number): boolean {
    const rest = this.#rest
    const kept = this.#kept
    const count = Math.min(length, EAR_SAMPLES_MAX)
    for (let index = 0; index < kept; index += 1) samples[index] = rest[index] ?? 0
    for (let index = 0; index < count; index += 1) samples[kept + index] = audio[start + index] ?? 0
    const end = kept + count
    this.#position += count
    let heard = false
    let from = HISTORY_SAMPLES
    for (; from + HOP_SAMPLES <= end; from += HOP_SAMPLES) {
      // A hop of silence or of the guard's own noise is no part of a tone, and needs no more than this look.
      if (isQuiet(from)) {
        this.#frames = 0
        this.#wasQuiet = true
        continue
      }
      this.#newer = this.#newer === 0 ? SUMS : 0
      sumUp(from, this.#sums, this.#newer)
      const wasQuiet = this.#wasQuiet
      this.#wasQuiet = false
      if (!wasQuiet && this.#hearsFrame()) {
        heard = true
        this.#toneAt(this.#position - (end - from - HOP_SAMPLES))
      }
    }
    const first = from - HISTORY_SAMPLES
    this.#kept = end - first
    for (let index = first; index < end; index += 1) rest[index - first] = samples[index] ?? 0
    return heard
  }

  /** What comes next does not follow what came last. */
  restart(): void {
    this.#frames = 0
    this.#wasQuiet = true
    this.#kept = HISTORY_SAMPLES
    this.#rest.fill(0)
  }

  /** Overwrites the audio. */
  wipe(): void {
    this.#rest.fill(0)
    samples.fill(0)
  }

  #hearsFrame(): boolean {
    const found = twoSines(this.#sums)
    if (found === undefined) {
      this.#frames = 0
      return false
    }
    const same = Math.abs(found.low - this.#low) < SAME_HZ && Math.abs(found.high - this.#high) < SAME_HZ
    this.#frames = same ? this.#frames + 1 : 1
    this.#low = found.low
    this.#high = found.high
    return this.#frames >= FRAMES_NEEDED
  }
}

/**
 * The end of what came before, and the audio being judged. Written and read within one call, and shared by all windows: so it stays in
 * the processor's nearest memory.
 */
const samples = new Float64Array(HISTORY_SAMPLES + HOP_SAMPLES + EAR_SAMPLES_MAX)

/** Products of inner pair (u), middle (v) and outer pair (y) of the recurrence, summed over a hop: uu, uv, vv, uy, vy, yy. */
const SUMS = 6

/** Every second sample tells the level well enough. */
function isQuiet(from: number): boolean {
  let sum = 0
  for (let n = from; n < from + HOP_SAMPLES; n += 2) {
    const sample = samples[n] ?? 0
    sum += sample * sample
  }
  return sum < (FLOOR_MEAN_SQUARE * HOP_SAMPLES) / 2
}

/** Sums over one hop, written into `sums` from `at` on. */
function sumUp(from: number, sums: Float64Array, at: number): void {
  let uu = 0
  let uv = 0
  let vv = 0
  let uy = 0
  let vy = 0
  let yy = 0
  for (let n = from; n < from + HOP_SAMPLES; n += 1) {
    const middle = samples[n - 2 * TAP] ?? 0
    const inner = (samples[n - TAP] ?? 0) + (samples[n - 3 * TAP] ?? 0)
    const outer = (samples[n] ?? 0) + (samples[n - 4 * TAP] ?? 0)
    uu += inner * inner
    uv += inner * middle
    vv += middle * middle
    uy += inner * outer
    vy += middle * outer
    yy += outer * outer
  }
  sums[at] = uu
  sums[at + 1] = uv
  sums[at + 2] = vv
  sums[at + 3] = uy
  sums[at + 4] = vy
  sums[at + 5] = yy
}

/** The two frequencies of a frame, if it is two sines and a key's: the least squares solution for a and b. */
function twoSines(sums: Float64Array): { readonly low: number; readonly high: number } | undefined {
  const ofFrame = (product: number) => (sums[product] ?? 0) + (sums[product + SUMS] ?? 0)
  const vv = ofFrame(2)
  if (vv < FLOOR_MEAN_SQUARE * 2 * HOP_SAMPLES) return undefined
  const uu = ofFrame(0)
  const uv = ofFrame(1)
  const uy = ofFrame(3)
  const vy = ofFrame(4)
  const yy = ofFrame(5)
  const determinant = uu * vv - uv * uv
  // One sine alone makes the two unknowns one.
  if (determinant < 1e-6 * uu * vv) return undefined
  const a = (uy * vv - vy * uv) / determinant
  const b = (vy * uu - uy * uv) / determinant
  const residue = yy - a * uy - b * vy
  if (residue > RESIDUE_MAX * (yy + 2 * vv)) return undefined
  // cos u and cos v are the roots of z^2 - (a / 2) z - (b + 2) / 4.
  const discriminant = (a * a) / 16 + (b + 2) / 4
  if (discriminant <= 0) return undefined
  const low = frequencyOf(a / 4 + Math.sqrt(discriminant))
  const high = frequencyOf(a / 4 - Math.sqrt(discriminant))
  return isNear(low, LOW_HZ) && isNear(high, HIGH_HZ) ? { low, high } : undefined
}

function frequencyOf(cosine: number): number {
  return Math.abs(cosine) >= 1 ? 0 : (Math.acos(cosine) * 8000) / (2 * Math.PI * TAP)
}

function isNear(frequency: number, band: readonly number[]): boolean {
  for (const nominal of band) if (Math.abs(frequency / nominal - 1) <= OFFSET_MAX) return true
  return false
}
