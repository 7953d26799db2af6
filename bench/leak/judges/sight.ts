import { COLUMNS_HZ, KEYS, ROWS_HZ } from '../scenario.ts'
import type { KeyPress } from '../stimulus.ts'
import type { HeardCall } from './judge.ts'
import { PairFit, type Correlation } from './pair-fit.ts'

/**
 * What the attackers look at around one key: how strong each of some fifty frequencies is before, in and after it, how loud it is
 * and what was replaced in steps of 5 ms, and the packets that left meanwhile.
 */
export type Sight = {
  readonly key: number
  /** For each part of PARTS, for each line: power per sample, 16-bit units squared. */
  readonly power: Float32Array
  /** For each part of FITTED, for each key: the energy that its two lines explain. */
  readonly fits: Float32Array
  /** Logarithms of loudness, and parts replaced, in steps around the key's beginning and its end. */
  readonly surroundings: Float32Array
}

/**
 * A part is one piece of what surrounds the key, or several together: 20 ms before, the tone's first 10 ms, 10 ms more, what is between,
 * its last 10 ms, 20 ms after, 30 ms later. Of a short tone each of the three is a quarter.
 */
const PART_PIECES = {
  before: [0, 0],
  onset: [1, 1],
  early: [1, 2],
  middle: [2, 3],
  last: [4, 4],
  whole: [1, 4],
  after: [5, 5],
  later: [6, 6],
} as const
export type Part = keyof typeof PART_PIECES
export const PARTS = Object.keys(PART_PIECES) as readonly Part[]
/** Where the two lines of a key are fitted together. */
export const FITTED = ['onset', 'early', 'last', 'whole'] as const satisfies readonly Part[]
const CUT_SAMPLES = 80
const BESIDE_SAMPLES = 160
const LATER_SAMPLES = 240
const REACH_SAMPLES = BESIDE_SAMPLES + LATER_SAMPLES

/** Either side of a line; rows lie ten percent apart, so this far off there is neither the line nor its neighbour. */
const ASIDE = 0.024

/** 1633 Hz is in no key; it stands for the band above. */
const LINES: readonly number[] = [
  ...ROWS_HZ,
  ...COLUMNS_HZ,
  ...[...ROWS_HZ, ...COLUMNS_HZ].flatMap((hz) => [hz * (1 - ASIDE), hz * (1 + ASIDE)]),
  ...[...ROWS_HZ, ...COLUMNS_HZ].map((hz) => 2 * hz),
  // Between the lines and at the edges of both bands, and what lies beyond.
  ...[300, 450, 580, 640, 733, 810, 895, 1000, 1075, 1140, 1272, 1405, 1555, 1633, 1750, 2150, 2600, 3000, 3400],
  // A difference that each pair has to itself, or nearly so, is 2 f1 - f2 and its like: 395 to 1177 Hz is covered above.
  ...ROWS_HZ.map((hz) => 3 * hz),
]
export const LINE_COUNT = LINES.length
export const LINE = { row: 0, column: 4, rowAside: 7, columnAside: 15, rowDouble: 21, columnDouble: 25 } as const

const STEP_SAMPLES = 40
const STEPS_BEFORE = 12
const STEPS_IN = 8
const STEPS_AFTER = 16
const STEPS = STEPS_BEFORE + 2 * STEPS_IN + STEPS_AFTER
const PACKET_FIGURES = 4
export const SURROUNDINGS = 2 * STEPS + PACKET_FIGURES

/** No tone of the grid is longer. */
const TONE_SAMPLES_MAX = 500 * 8

/** Tables of sines for one offset of the payer's frequencies, which the attacker knows. */
export class Sighting {
  readonly #cosines: Float32Array
  readonly #sines: Float32Array
  readonly #pairFit: PairFit
  readonly #length = TONE_SAMPLES_MAX + BESIDE_SAMPLES + REACH_SAMPLES

  constructor(options: { readonly offset: number }) {
    this.#pairFit = new PairFit(options)
    this.#cosines = new Float32Array(LINE_COUNT * this.#length)
    this.#sines = new Float32Array(LINE_COUNT * this.#length)
    for (const [line, hz] of LINES.entries()) {
      const step = (2 * Math.PI * hz * (1 + options.offset)) / 8_000
      for (let n = 0; n < this.#length; n += 1) {
        this.#cosines[line * this.#length + n] = Math.cos(step * n)
        this.#sines[line * this.#length + n] = Math.sin(step * n)
      }
    }
  }

  sightOf(call: HeardCall, press: KeyPress): Sight {
    const tone = Math.min(press.samples, TONE_SAMPLES_MAX)
    const from = press.start - BESIDE_SAMPLES
    const samples = new Float64Array(BESIDE_SAMPLES + tone + REACH_SAMPLES)
    for (let n = 0; n < samples.length; n += 1) samples[n] = call.samples[from + n] ?? 0
    return { key: press.key, ...this.#measure(samples, tone), surroundings: surroundings(call, press) }
  }

  #measure(samples: Float64Array, tone: number): { readonly power: Float32Array; readonly fits: Float32Array } {
    const edges = edgesOf(tone)
    const pieces = edges.length - 1
    const cosines = new Float64Array(LINE_COUNT * pieces)
    const sines = new Float64Array(LINE_COUNT * pieces)
    for (let line = 0; line < LINE_COUNT; line += 1) {
      const row = line * this.#length
      for (let piece = 0; piece < pieces; piece += 1) {
        let real = 0
        let imaginary = 0
        const last = edges[piece + 1] ?? 0
        for (let n = edges[piece] ?? 0; n < last; n += 1) {
          const sample = samples[n] ?? 0
          real += sample * (this.#cosines[row + n] ?? 0)
          imaginary += sample * (this.#sines[row + n] ?? 0)
        }
        cosines[line * pieces + piece] = real
        sines[line * pieces + piece] = imaginary
      }
    }
    const correlation = (line: number, part: Part): Correlation => {
      const [first, last] = PART_PIECES[part]
      let cosine = 0
      let sine = 0
      for (let piece = first; piece <= last; piece += 1) {
        cosine += cosines[line * pieces + piece] ?? 0
        sine += sines[line * pieces + piece] ?? 0
      }
      return { cosine, sine }
    }
    const stretch = (part: Part) => {
      const [first, last] = PART_PIECES[part]
      return { from: edges[first] ?? 0, to: edges[last + 1] ?? 0 }
    }
    const power = new Float32Array(PARTS.length * LINE_COUNT)
    for (const [index, part] of PARTS.entries()) {
      const { from, to } = stretch(part)
      for (let line = 0; line < LINE_COUNT; line += 1) {
        const { cosine, sine } = correlation(line, part)
        power[index * LINE_COUNT + line] = (cosine * cosine + sine * sine) / Math.max(1, to - from)
      }
    }
    const fits = new Float32Array(FITTED.length * KEYS.length)
    for (const [index, part] of FITTED.entries()) {
      const rows = ROWS_HZ.map((_hz, row) => correlation(LINE.row + row, part))
      const columns = COLUMNS_HZ.map((_hz, column) => correlation(LINE.column + column, part))
      fits.set(this.#pairFit.explained({ ...stretch(part), rows, columns }), index * KEYS.length)
    }
    return { power, fits }
  }
}

/** Where the pieces begin and end, counted from BESIDE_SAMPLES before the key. */
function edgesOf(tone: number): readonly number[] {
  const cut = Math.min(CUT_SAMPLES, Math.max(1, Math.floor(tone / 4)))
  const end = BESIDE_SAMPLES + tone
  return [
    0,
    BESIDE_SAMPLES,
    BESIDE_SAMPLES + cut,
    BESIDE_SAMPLES + 2 * cut,
    end - cut,
    end,
    end + BESIDE_SAMPLES,
    end + REACH_SAMPLES,
  ]
}

function surroundings(call: HeardCall, press: KeyPress): Float32Array {
  const out = new Float32Array(SURROUNDINGS)
  const end = press.start + press.samples
  for (let step = 0; step < STEPS; step += 1) {
    const isStart = step < STEPS_BEFORE + STEPS_IN
    const from = isStart
      ? press.start + (step - STEPS_BEFORE) * STEP_SAMPLES
      : end + (step - STEPS_BEFORE - 2 * STEPS_IN) * STEP_SAMPLES
    let energy = 0
    let changed = 0
    for (let n = from; n < from + STEP_SAMPLES; n += 1) {
      const sample = call.samples[n] ?? 0
      energy += sample * sample
      changed += call.changed?.[n] ?? 0
    }
    out[step] = Math.log10(energy / STEP_SAMPLES + 1)
    out[STEPS + step] = changed / STEP_SAMPLES
  }
  if (call.sent !== undefined) out.set(packetFigures(call.sent, press), 2 * STEPS)
  return out
}

/** How many packets left for the time of the key and a little more, how long they are, and the longest pause between two. */
function packetFigures(sent: NonNullable<HeardCall['sent']>, press: KeyPress): Float32Array {
  const from = press.start - 2 * BESIDE_SAMPLES
  const to = press.start + press.samples + REACH_SAMPLES
  let count = 0
  let samples = 0
  let shortest = Infinity
  let pause = 0
  let before: number | undefined
  for (const packet of sent) {
    if (packet.position + packet.samples <= from || packet.position >= to) continue
    count += 1
    samples += packet.samples
    shortest = Math.min(shortest, packet.samples)
    if (before !== undefined) pause = Math.max(pause, packet.atMs - before)
    before = packet.atMs
  }
  return Float32Array.of(count, samples / 160, count === 0 ? 0 : shortest / 160, pause / 20)
}
