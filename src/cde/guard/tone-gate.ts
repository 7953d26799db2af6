import { BAND_LINES, keyEvidence, LINES_HZ, SPACINGS_HZ } from './tone-evidence.ts'

/**
 * Answers, for each 5 ms of payer audio: is this a key, or could it be a piece of one? What the gate lets through has still
 * to pass the band filter, which takes the keys' own frequencies away. So the gate need not be sure of every key under
 * loud speech; it must find those whose clicks at beginning and end nothing covers.
 *
 * It looks at windows of 10, 20 and 40 ms, and suspects blocks of a window
 * - whose strongest line in the low and in the high band hold nearly all energy (a tone, and nobody speaks), or
 * - whose two lines look like a key's under speech (see tone-evidence).
 * A block beside such a one goes with it, unless it is much quieter. A burst too short to have a frequency is suspected
 * by its shape alone, and a clipped block because clipping spreads a key over all frequencies. Nothing depends on which key it is: what is masked names none.
 *
 * Blocks may come in any order and with holes. Time is counted in blocks of 40 samples from anywhere, ever upwards.
 */

/** 5 ms at 8 kHz: the unit of masking. */
export const GATE_BLOCK_SAMPLES = 40

/** `edge`: no tone is proven, but audio is missing beside it, and with it this could have been part of one. */
export type GateVerdict = 'clean' | 'tone' | 'edge'

/** Blocks remembered, 640 ms: far more than look-ahead and the widest window; a power of two. */
const SLOTS = 128

type WindowRule = {
  readonly blocks: 2 | 4 | 8
  /** Suspicious if the best pair has more than this of all energy in the window. */
  readonly shareMax: number
  /** Suspicious if there is more evidence than this. */
  readonly evidenceMax: number
  /** The same while keys are awaited. */
  readonly waryEvidenceMax: number
  /** Blocks at either end of a suspicious window that are not suspected by it: a key may begin or end within. */
  readonly inset: number
  /** A key is as loud all along: a block with less than this part of the lines' energy is beside it, not in it. */
  readonly loudnessMin: number
}

/** Set by measurement on prompts of five languages, against keys with talk-over of -20 to +6 dB; see test/leak. */
const RULES: readonly [WindowRule, WindowRule, WindowRule] = [
  { blocks: 2, shareMax: 0.93, evidenceMax: 3.1, waryEvidenceMax: 2.95, inset: 0, loudnessMin: 0.02 },
  { blocks: 4, shareMax: 0.85, evidenceMax: 2.9, waryEvidenceMax: 2.6, inset: 0, loudnessMin: 0.1 },
  { blocks: 8, shareMax: 0.8, evidenceMax: 1.8, waryEvidenceMax: 1.3, inset: 1, loudnessMin: 0.2 },
]

const WIDEST_BLOCKS = 8

/** In 10 ms a pair with a smaller share than this never has evidence enough: not worth the arithmetic. */
const SHORT_SHARE_MIN = 0.6

/** How long keys count as awaited after the last word of it, in blocks: ten seconds. */
const WARY_BLOCKS = 2000

/** A block beside a suspected one goes with it if it has more than this part of the lines' energy: 20 dB less. */
const BESIDE_MIN = 0.01

/** A burst has this many times the energy of what is 10 ms before and 10 ms after it. */
const BURST_RATIO = 100
const BURST_REACH_BLOCKS = 2
/** ... and this part of its energy on lines of each band: even the splatter of 1 ms of a key has it, most clicks have not. */
const BURST_LINE_MIN = 0.03

/**
 * Mean square below which a window is silence and no tone: -68 dBm0, less than one step of G.711 around zero.
 * 0 dBm0 is a mean square of 15,770 squared.
 */
const SILENCE_MEAN_SQUARE = 40

/** Share of all energy in 5 or 10 ms alone, beside missing audio. A line is 200 Hz wide there, so speech has it too. */
const EDGE_SHARE_MAX = 0.5

/**
 * Clipping mixes the lines of a key with each other and with speech, into frequencies that the band filter lets through. A pair of
 * samples one of which is at the end of G.711's range counts as clipped; a block with so many of its twenty is suspected as such.
 */
const CLIPPED_PAIR = 31_000 ** 2
const CLIPPED_PAIRS_MAX = 5

const HALF_SAMPLES = GATE_BLOCK_SAMPLES / 2

const LINES = LINES_HZ.length
/** Real and imaginary part of each line. */
const SPECTRUM = LINES * 2
/** Of 1, 2 and 4 blocks; of the widest windows nothing need be kept, for there is none wider to be made of them. */
const LEVELS = 3

/**
 * What is noted in each slot, all in one piece, for a hundred windows would have it in too many places of memory: the number of its
 * block; the same again when it is suspected, and how loud the lines are that it is suspected for; the best pair's part of all energy in
 * 10 ms; and for each level its energy, and that of its two bands, times Hz (zero for a single block).
 */
const NOTES = 16
const TAG = 0
const SUSPECT = 1
const SUSPECT_LINES = 2
const PAIR_SHARE = 3
const ENERGY = 4
const LOW_BAND = 8
const HIGH_BAND = 12

export class ToneGate {
  /** For each slot, the spectra of 1, 2 and 4 blocks from its block on; all have the phase of one common clock. */
  readonly #spectra = new Float32Array(SLOTS * LEVELS * SPECTRUM)
  /** For each slot what is counted in NOTES. */
  readonly #notes = new Float64Array(SLOTS * NOTES)

  /** Keys are awaited until this block. */
  #waryUntil = -1

  constructor() {
    for (let slot = 0; slot < SLOTS; slot += 1) this.#notes.fill(-1, slot * NOTES + TAG, slot * NOTES + SUSPECT + 1)
  }

  /** Takes the 40 samples of one block from `start` on. A block that is older than the memory is forgotten at once. */
  analyse(block: number, samples: Int16Array, start: number): void {
    const slot = block & (SLOTS - 1)
    if ((this.#notes[slot * NOTES + TAG] ?? -1) > block) return
    this.#notes[slot * NOTES + TAG] = block
    this.#transform(block, samples, start)
    // Windows that this block completes: only those that end with it, unless it fills a hole.
    let before = 0
    while (before < WIDEST_BLOCKS - 1 && this.knows(block - before - 1)) before += 1
    let after = 0
    while (after < WIDEST_BLOCKS - 1 && this.knows(block + after + 1)) after += 1
    for (let rule = 0; rule < RULES.length; rule += 1) {
      const blocks = RULES[rule]?.blocks ?? 2
      const first = block - Math.min(before, blocks - 1)
      const last = block + Math.min(after, blocks - 1) - blocks + 1
      // Wide windows every 10 ms only: they change little in 5.
      const step = blocks < WIDEST_BLOCKS ? 1 : 2
      for (let from = first + (step === 2 ? first & 1 : 0); from <= last; from += step) this.#measure(rule, from)
    }
  }

  knows(block: number): boolean {
    return block >= 0 && this.#notes[noteOf(block, TAG)] === block
  }

  /** Keys are awaited from this block on, for ten seconds. */
  expectKeys(block: number): void {
    this.#waryUntil = block + WARY_BLOCKS
  }

  /** What is thought of a block that is known, with all that has been analysed up to now. */
  verdict(block: number): GateVerdict {
    if (this.#notes[noteOf(block, SUSPECT)] === block) return 'tone'
    if (this.#isBeside(block, block - 1) || this.#isBeside(block, block + 1)) return 'tone'
    for (let at = block - 1; at <= block + 1; at += 1) {
      if (this.#energy(block) > BESIDE_MIN * this.#energy(at) && this.#isBurst(at)) return 'tone'
    }
    const left = this.knows(block - 1)
    const right = this.knows(block + 1)
    if (left && right) return 'clean'
    if (!left && !right) return 'edge'
    return this.#couldBePart(block, left ? block - 1 : block) ? 'edge' : 'clean'
  }

  /** Overwrites what the audio can be told by. */
  wipe(): void {
    this.#spectra.fill(0)
    for (const shared of [EVEN, ODD, POWERS, WIDEST_SPECTRUM]) shared.fill(0)
  }

  /** A key that fills the suspected block need not end with it. */
  #isBeside(block: number, suspect: number): boolean {
    if (this.#notes[noteOf(suspect, SUSPECT)] !== suspect) return false
    return this.#energy(block) > BESIDE_MIN * (this.#notes[noteOf(suspect, SUSPECT_LINES)] ?? 0)
  }

  #energy(block: number): number {
    return this.#notes[noteOf(block, ENERGY)] ?? 0
  }

  /** A block much louder than both what is shortly before and shortly after it; nothing known there counts as silence. */
  #isBurst(block: number): boolean {
    if (!this.knows(block)) return false
    const limit = this.#energy(block) / BURST_RATIO
    if (limit <= SILENCE_MEAN_SQUARE * GATE_BLOCK_SAMPLES) return false
    for (const beside of [block - BURST_REACH_BLOCKS, block + BURST_REACH_BLOCKS]) {
      if (this.knows(beside) && this.#energy(beside) >= limit) return false
    }
    return this.#blockShares(block).least > BURST_LINE_MIN
  }

  /** Beside missing audio, a block and the 10 ms it has with its one neighbour are judged by their share alone. */
  #couldBePart(block: number, pair: number): boolean {
    return (
      this.#blockShares(block).both > EDGE_SHARE_MAX || (this.#notes[noteOf(pair, PAIR_SHARE)] ?? 0) > EDGE_SHARE_MAX
    )
  }

  /** One block's lines. Folded about its middle, cosines need the even and sines the odd half of the samples. */
  #transform(block: number, samples: Int16Array, start: number): void {
    let energy = 0
    let clipped = 0
    for (let n = 0; n < HALF_SAMPLES; n += 1) {
      const before = samples[start + HALF_SAMPLES - 1 - n] ?? 0
      const after = samples[start + HALF_SAMPLES + n] ?? 0
      const both = before * before + after * after
      energy += both
      if (both >= CLIPPED_PAIR) clipped += 1
      EVEN[n] = after + before
      ODD[n] = after - before
    }
    this.#notes[noteOf(block, ENERGY)] = energy
    if (clipped >= CLIPPED_PAIRS_MAX) {
      this.#notes[noteOf(block, SUSPECT)] = block
      this.#notes[noteOf(block, SUSPECT_LINES)] = Infinity
    }
    const spectra = this.#spectra
    const at = spectrumOf(block, 0)
    const turns = (block % TURNS) * LINES
    let wave = 0
    for (let line = 0; line < LINES; line += 1) {
      let re = 0
      let im = 0
      for (let n = 0; n < HALF_SAMPLES; n += 1, wave += 1) {
        re += (EVEN[n] ?? 0) * (COSINES[wave] ?? 0)
        im -= (ODD[n] ?? 0) * (SINES[wave] ?? 0)
      }
      turnBack(spectra, at + line * 2, re, im, turns + line)
    }
  }

  /** Adds two half windows, all of which is known, to a whole one, and measures it. */
  #measure(rule: number, from: number): void {
    const { blocks, shareMax, evidenceMax, waryEvidenceMax } = RULES[rule] ?? RULES[0]
    const notes = this.#notes
    const first = noteOf(from, 0) + rule
    const second = noteOf(from + blocks / 2, 0) + rule
    const energy = (notes[first + ENERGY] ?? 0) + (notes[second + ENERGY] ?? 0)
    const spectra = this.#spectra
    const firstHalf = spectrumOf(from, rule)
    const secondHalf = spectrumOf(from + blocks / 2, rule)
    if (blocks < WIDEST_BLOCKS) {
      addUp(spectra, firstHalf, secondHalf, spectra, firstHalf + SPECTRUM)
      notes[first + 1 + ENERGY] = energy
      notes[first + 1 + LOW_BAND] = lowBest.band
      notes[first + 1 + HIGH_BAND] = highBest.band
    } else addUp(spectra, firstHalf, secondHalf, WIDEST_SPECTRUM, 0)
    if (rule === 0) notes[first + PAIR_SHARE] = 0
    const samples = blocks * GATE_BLOCK_SAMPLES
    if (energy < SILENCE_MEAN_SQUARE * samples) return
    const line = (lowBest.power + highBest.power) * (2 / samples)
    if (rule === 0) notes[first + PAIR_SHARE] = line / energy
    let suspicious = line > shareMax * energy
    if (!suspicious && (blocks !== 2 || line > SHORT_SHARE_MIN * energy)) {
      const evidence = keyEvidence({
        blocks,
        spectra,
        first: firstHalf,
        second: secondHalf,
        energy,
        lowBand: (notes[first + LOW_BAND] ?? 0) + (notes[second + LOW_BAND] ?? 0),
        highBand: (notes[first + HIGH_BAND] ?? 0) + (notes[second + HIGH_BAND] ?? 0),
        low: lowBest.line,
        high: highBest.line,
      })
      suspicious = evidence > (from <= this.#waryUntil ? waryEvidenceMax : evidenceMax)
    }
    if (suspicious) this.#suspect(rule, from, line / blocks)
  }

  #suspect(rule: number, from: number, line: number): void {
    const { blocks, inset, loudnessMin } = RULES[rule] ?? RULES[0]
    for (let block = from + inset; block < from + blocks - inset; block += 1) {
      if (this.#energy(block) < loudnessMin * line) continue
      const suspect = noteOf(block, SUSPECT)
      const lines = noteOf(block, SUSPECT_LINES)
      this.#notes[lines] = this.#notes[suspect] === block ? Math.max(this.#notes[lines] ?? 0, line) : line
      this.#notes[suspect] = block
    }
  }

  /** The best pair's part of all energy in one block, and the lesser line's; asked for seldom, and so not kept ready. */
  #blockShares(block: number): { readonly both: number; readonly least: number } {
    const energy = this.#energy(block)
    const spectra = this.#spectra
    if (energy < SILENCE_MEAN_SQUARE * GATE_BLOCK_SAMPLES) return NO_SHARES
    let low = 0
    let high = 0
    for (let line = 0; line < LINES; line += 1) {
      const at = spectrumOf(block, 0) + line * 2
      const power = (spectra[at] ?? 0) ** 2 + (spectra[at + 1] ?? 0) ** 2
      if (line < BAND_LINES) low = Math.max(low, power)
      else high = Math.max(high, power)
    }
    const scale = 2 / GATE_BLOCK_SAMPLES / energy
    return { both: (low + high) * scale, least: Math.min(low, high) * scale }
  }
}

function noteOf(block: number, note: number): number {
  return (block & (SLOTS - 1)) * NOTES + note
}

function spectrumOf(block: number, level: number): number {
  return ((block & (SLOTS - 1)) * LEVELS + level) * SPECTRUM
}

const NO_SHARES = { both: 0, least: 0 }

/** Written and read within one call, and shared by all windows: so they stay in the processor's nearest memory. */
const EVEN = new Float64Array(GATE_BLOCK_SAMPLES / 2)
const ODD = new Float64Array(GATE_BLOCK_SAMPLES / 2)
const POWERS = new Float64Array(LINES)
const WIDEST_SPECTRUM = new Float32Array(SPECTRUM)

/** A band's energy (times Hz), and its strongest line. */
type Best = { band: number; line: number; power: number }
const lowBest: Best = { band: 0.5, line: 0, power: 0.5 }
const highBest: Best = { band: 0.5, line: 0, power: 0.5 }

/** Adds the spectra of two halves, and finds each band's energy and its strongest line. */
function addUp(half: Float32Array, first: number, second: number, spectra: Float32Array, at: number): void {
  addUpBand(half, first, second, spectra, at, 0, lowBest)
  addUpBand(half, first, second, spectra, at, BAND_LINES, highBest)
}

function addUpBand(
  half: Float32Array,
  first: number,
  second: number,
  spectra: Float32Array,
  at: number,
  start: number,
  best: Best,
): void {
  let energy = 0
  let power = -1
  for (let line = start; line < start + BAND_LINES; line += 1) {
    const real = line * 2
    const re = (half[first + real] ?? 0) + (half[second + real] ?? 0)
    const im = (half[first + real + 1] ?? 0) + (half[second + real + 1] ?? 0)
    spectra[at + real] = re
    spectra[at + real + 1] = im
    const squared = re * re + im * im
    POWERS[line] = squared
    energy += squared * (SPACINGS_HZ[line] ?? 0)
    power = Math.max(power, squared)
  }
  // Looked up afterwards: a branch on each new maximum could not be predicted and costs more than this.
  let line = start
  while (line < start + BAND_LINES - 1 && POWERS[line] !== power) line += 1
  best.band = energy
  best.line = line
  best.power = power
}

/** Puts a line of one block on the common clock: whole frequencies repeat after 200 blocks (one second). */
function turnBack(spectra: Float32Array, at: number, re: number, im: number, turned: number): void {
  const turn = TURN_OF[turned] ?? 0
  const cosine = TURN_COSINES[turn] ?? 0
  const sine = TURN_SINES[turn] ?? 0
  spectra[at] = re * cosine + im * sine
  spectra[at + 1] = im * cosine - re * sine
}

const ANGLES = LINES_HZ.flatMap((frequency) =>
  Array.from({ length: HALF_SAMPLES }, (_, n) => (2 * Math.PI * frequency * (n + 0.5)) / 8000),
)
const COSINES = Float64Array.from(ANGLES, Math.cos)
const SINES = Float64Array.from(ANGLES, Math.sin)

/** Blocks in a second, and by how much of a turn (in as many parts) each line has moved on at each of them. */
const TURNS = 200
const TURN_OF = Uint8Array.from({ length: TURNS * LINES }, (_, index) => {
  const block = Math.floor(index / LINES)
  return ((LINES_HZ[index % LINES] ?? 0) * block) % TURNS
})
const TURN_COSINES = Float64Array.from({ length: TURNS }, (_, turn) => Math.cos((2 * Math.PI * turn) / TURNS))
const TURN_SINES = Float64Array.from({ length: TURNS }, (_, turn) => Math.sin((2 * Math.PI * turn) / TURNS))
