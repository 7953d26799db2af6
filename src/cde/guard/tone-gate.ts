/**
 * Answers, for each 5 ms of payer audio: could anybody read a key out of this? A DTMF receiver asks whether a digit is
 * valid and may stay silent when unsure; the gate suspects when unsure, for the masker masks what it suspects.
 *
 * A key is one of four low and one of four high frequencies at once (ITU-T Q.23). For windows of 10, 20 and 40 ms the
 * gate measures how much of all energy the best pair holds ("share of all"), and how much of the energy in the low and
 * in the high band the pair's two lines hold ("purity"). A bare tone has a share of all near one. Under talk-over that
 * falls, but the lines stay pure within their bands, exactly where Q.23 puts them; speech that is as pure lies there
 * only by chance. So purity is asked for less where the frequencies are nominal and more where both are off by the
 * same part, as a sender with a bad clock has them.
 *
 * Blocks may come in any order and with holes. Time is counted in blocks of 40 samples from anywhere, ever upwards.
 */

/** 5 ms at 8 kHz: the unit of masking. */
export const GATE_BLOCK_SAMPLES = 40

/** `edge`: no tone is proven, but audio is missing beside it, and with it this could have been part of one. */
export type GateVerdict = 'clean' | 'tone' | 'edge'

/** Blocks remembered, 640 ms: far more than look-ahead and the widest window; a power of two. */
const SLOTS = 128

/** ITU-T Q.23. */
const LOW_HZ = [697, 770, 852, 941] as const
const HIGH_HZ = [1209, 1336, 1477, 1633] as const

/** Q.24 wants 1.8 % accepted; the widest window is 25 Hz wide, so these five cover 3.5 % either way without holes. */
const OFFSETS = [-0.03, -0.015, 0, 0.015, 0.03] as const
const LINES = LOW_HZ.length * OFFSETS.length
const FREQUENCIES_HZ = [...linesOf(LOW_HZ), ...linesOf(HIGH_HZ)]

/** Real and imaginary part of each frequency, low band first. */
const SPECTRUM = FREQUENCIES_HZ.length * 2

/**
 * Mean square below which a window is silence and no tone: -68 dBm0, less than one step of G.711 around zero.
 * 0 dBm0 is a mean square of 15,770 squared.
 */
const SILENCE_MEAN_SQUARE = 40

type WindowRule = {
  readonly blocks: number
  /** Suspicious if the best pair has more than this of all energy in the window. */
  readonly shareMax: number
  /** Suspicious if the lines are purer than this, for each offset, and hold at least `shareMin` of all energy. */
  readonly purityMax: readonly number[]
  readonly shareMin: number
  /** Blocks either side of a suspicious window that are suspected too. */
  readonly margin: number
}

/** Set by measurement on 24 minutes of prompts against tones with talk-over of -20 to +6 dB; see test/leak. */
const RULES: readonly WindowRule[] = [
  { blocks: 2, shareMax: 0.75, purityMax: [9, 9, 9, 9, 9], shareMin: 0, margin: 3 },
  { blocks: 4, shareMax: 0.6, purityMax: [0.95, 0.83, 0.7, 0.83, 0.95], shareMin: 0.15, margin: 2 },
  { blocks: 8, shareMax: 0.5, purityMax: [0.66, 0.59, 0.46, 0.59, 0.66], shareMin: 0.08, margin: 1 },
]

/** Lines further apart in level than this are no key; Q.24 asks for 8 dB, the attack bench for 12. */
const TWIST_RATIO_MAX = 63

/** A block with fewer known blocks than this on either side is judged as an edge. */
const EDGE_BLOCKS = 4

/** How much below its limit a window beside missing audio may stay before it counts. */
const EDGE_SLACK = 0.15

/** Share of all energy in 5 ms alone, or 10 ms, beside missing audio. A line is 200 Hz wide there, so speech has it too. */
const EDGE_SHARE_MAX = 0.5

export class ToneGate {
  readonly #tags = new Float64Array(SLOTS).fill(-1)
  readonly #energy = new Float64Array(SLOTS)
  /** Spectra of 1, 2, 4 and 8 blocks from the slot's block on, all with the phase of one common clock. */
  readonly #spectra = Array.from({ length: RULES.length + 1 }, () => new Float32Array(SLOTS * SPECTRUM))
  readonly #energies = Array.from({ length: RULES.length }, () => new Float64Array(SLOTS))
  /** By how much the window that starts at this slot's block exceeds its rule; UNJUDGED while a block is missing. */
  readonly #excess = RULES.map(() => new Float32Array(SLOTS).fill(UNJUDGED))
  readonly #even = new Float32Array(GATE_BLOCK_SAMPLES / 2)
  readonly #odd = new Float32Array(GATE_BLOCK_SAMPLES / 2)
  readonly #power = new Float64Array(FREQUENCIES_HZ.length)

  /** Takes the 40 samples of one block from `start` on. A block that is older than the memory is forgotten at once. */
  analyse(block: number, samples: Int16Array, start: number): void {
    const slot = block & (SLOTS - 1)
    if ((this.#tags[slot] ?? -1) > block) return
    this.#tags[slot] = block
    for (const excess of this.#excess) excess[slot] = UNJUDGED
    this.#transform(block, samples, start)
    // Windows that this block completes: only those that end with it, unless it fills a hole.
    const last = this.knows(block + 1) ? block : -1
    for (let rule = 0; rule < RULES.length; rule += 1) {
      const blocks = RULES[rule]?.blocks ?? 0
      const first = block - blocks + 1
      for (let from = first; from <= Math.max(first, last); from += 1) this.#judge(rule, from)
    }
  }

  knows(block: number): boolean {
    return block >= 0 && this.#tags[block & (SLOTS - 1)] === block
  }

  /** What is thought of a block that is known, with all that has been analysed up to now. */
  verdict(block: number): GateVerdict {
    for (let rule = 0; rule < RULES.length; rule += 1) {
      const { blocks, margin } = RULES[rule] ?? NO_RULE
      if (this.#exceeds({ rule, from: block - blocks + 1 - margin, to: block + margin, limit: 0 })) return 'tone'
    }
    let left = 0
    while (left < EDGE_BLOCKS && this.knows(block - left - 1)) left += 1
    let right = 0
    while (right < EDGE_BLOCKS && this.knows(block + right + 1)) right += 1
    if (left === EDGE_BLOCKS && right === EDGE_BLOCKS) return 'clean'
    return this.#couldBePart({ block, left, right }) ? 'edge' : 'clean'
  }

  /** Beside missing audio: the wider windows with some slack, the short ones by their share alone. */
  #couldBePart(place: { readonly block: number; readonly left: number; readonly right: number }): boolean {
    const { block, left, right } = place
    if (left + right === 0) return true
    for (let rule = 1; rule < RULES.length; rule += 1) {
      const blocks = RULES[rule]?.blocks ?? 0
      if (this.#exceeds({ rule, from: block - blocks + 1, to: block, limit: -EDGE_SLACK })) return true
    }
    // A tone that begins or ends in a known block next to the hole reaches back over the blocks between.
    for (let near = block - Math.min(left, 1); near <= block + Math.min(right, 1); near += 1) {
      if (this.#shareOf({ spectrum: 0, from: near, blocks: 1 }) > EDGE_SHARE_MAX) return true
      if (this.knows(near + 1) && this.#shareOf({ spectrum: 1, from: near, blocks: 2 }) > EDGE_SHARE_MAX) return true
    }
    return false
  }

  #exceeds(span: {
    readonly rule: number
    readonly from: number
    readonly to: number
    readonly limit: number
  }): boolean {
    const excess = this.#excess[span.rule]
    if (excess === undefined) return false
    for (let from = span.from; from <= span.to; from += 1) {
      const slot = from & (SLOTS - 1)
      if ((excess[slot] ?? UNJUDGED) > span.limit && this.#tags[slot] === from) return true
    }
    return false
  }

  /** One block's 40 lines. Folded about its middle, cosines need the even and sines the odd half of the samples. */
  #transform(block: number, samples: Int16Array, start: number): void {
    const half = GATE_BLOCK_SAMPLES / 2
    const even = this.#even
    const odd = this.#odd
    let energy = 0
    for (let n = 0; n < half; n += 1) {
      const before = samples[start + half - 1 - n] ?? 0
      const after = samples[start + half + n] ?? 0
      energy += before * before + after * after
      even[n] = after + before
      odd[n] = after - before
    }
    const slot = block & (SLOTS - 1)
    this.#energy[slot] = energy
    const spectrum = this.#spectra[0] ?? NO_SPECTRUM
    let table = 0
    for (let line = 0; line < FREQUENCIES_HZ.length; line += 1) {
      let re = 0
      let im = 0
      for (let n = 0; n < half; n += 1) {
        re += (even[n] ?? 0) * (COSINES[table] ?? 0)
        im -= (odd[n] ?? 0) * (SINES[table] ?? 0)
        table += 1
      }
      // Turned back to the common clock: whole frequencies repeat after 200 blocks (one second).
      const turn = ((FREQUENCIES_HZ[line] ?? 0) * (block % TURNS)) % TURNS
      const cosine = TURN_COSINES[turn] ?? 0
      const sine = TURN_SINES[turn] ?? 0
      const at = slot * SPECTRUM + line * 2
      spectrum[at] = re * cosine + im * sine
      spectrum[at + 1] = im * cosine - re * sine
    }
  }

  /** Sums two half windows to a whole one, if all of it is known, and compares it with its rule. */
  #judge(ruleIndex: number, from: number): void {
    const rule = RULES[ruleIndex]
    if (rule === undefined || from < 0) return
    for (let block = from; block < from + rule.blocks; block += 1) if (!this.knows(block)) return
    const half = rule.blocks / 2
    const slot = from & (SLOTS - 1)
    const second = (from + half) & (SLOTS - 1)
    const halves = this.#spectra[ruleIndex] ?? NO_SPECTRUM
    const whole = this.#spectra[ruleIndex + 1] ?? NO_SPECTRUM
    const halfEnergies = ruleIndex === 0 ? this.#energy : (this.#energies[ruleIndex - 1] ?? NO_SPECTRUM)
    const energy = (halfEnergies[slot] ?? 0) + (halfEnergies[second] ?? 0)
    const energies = this.#energies[ruleIndex]
    if (energies !== undefined) energies[slot] = energy
    const power = this.#power
    const a = slot * SPECTRUM
    const b = second * SPECTRUM
    for (let line = 0; line < FREQUENCIES_HZ.length; line += 1) {
      const re = (halves[a + line * 2] ?? 0) + (halves[b + line * 2] ?? 0)
      const im = (halves[a + line * 2 + 1] ?? 0) + (halves[b + line * 2 + 1] ?? 0)
      whole[a + line * 2] = re
      whole[a + line * 2 + 1] = im
      power[line] = re * re + im * im
    }
    const excess = this.#excess[ruleIndex]
    if (excess !== undefined) excess[slot] = excessOf({ rule, power, energy })
  }

  /** The best pair's part of all energy in a window of one or two blocks. */
  #shareOf(window: { readonly spectrum: number; readonly from: number; readonly blocks: number }): number {
    const slot = window.from & (SLOTS - 1)
    const spectrum = this.#spectra[window.spectrum] ?? NO_SPECTRUM
    const energy = (window.spectrum === 0 ? this.#energy : this.#energies[0])?.[slot] ?? 0
    const samples = window.blocks * GATE_BLOCK_SAMPLES
    if (energy < SILENCE_MEAN_SQUARE * samples) return 0
    let low = 0
    let high = 0
    for (let line = 0; line < FREQUENCIES_HZ.length; line += 1) {
      const at = slot * SPECTRUM + line * 2
      const power = (spectrum[at] ?? 0) ** 2 + (spectrum[at + 1] ?? 0) ** 2
      if (line < LINES) low = Math.max(low, power)
      else high = Math.max(high, power)
    }
    return ((low + high) * 2) / samples / energy
  }
}

/** Above zero: suspicious. The energy of a line of power p over n samples is 2 p / n. */
function excessOf(window: {
  readonly rule: WindowRule
  readonly power: Float64Array
  readonly energy: number
}): number {
  const { rule, power, energy } = window
  const samples = rule.blocks * GATE_BLOCK_SAMPLES
  if (energy < SILENCE_MEAN_SQUARE * samples) return SILENT
  const bandwidth = 8000 / samples
  let lowBand = 1e-9
  let highBand = 1e-9
  for (let line = 0; line < LINES; line += 1) {
    lowBand += (power[line] ?? 0) * (SPACINGS_HZ[line] ?? 0)
    highBand += (power[LINES + line] ?? 0) * (SPACINGS_HZ[LINES + line] ?? 0)
  }
  let best = SILENT
  for (let offset = 0; offset < OFFSETS.length; offset += 1) {
    let low = 0
    let high = 0
    for (let line = offset; line < LINES; line += OFFSETS.length) {
      low = Math.max(low, power[line] ?? 0)
      high = Math.max(high, power[LINES + line] ?? 0)
    }
    const share = ((low + high) * 2) / samples / energy
    best = Math.max(best, share - rule.shareMax)
    if (share < rule.shareMin || low > high * TWIST_RATIO_MAX || high > low * TWIST_RATIO_MAX) continue
    const purity = (bandwidth * Math.sqrt(low * high)) / Math.sqrt(lowBand * highBand)
    best = Math.max(best, purity - (rule.purityMax[offset] ?? 9))
  }
  return best
}

const UNJUDGED = -9
const SILENT = -8
const NO_SPECTRUM = new Float32Array(0)
const NO_RULE: WindowRule = { blocks: 0, shareMax: 9, purityMax: [], shareMin: 9, margin: 0 }

function linesOf(band: readonly number[]): number[] {
  return band.flatMap((frequency) => OFFSETS.map((offset) => Math.round(frequency * (1 + offset))))
}

/** The part of its band that each line stands for: half way to its neighbours. */
const SPACINGS_HZ = Float64Array.from(FREQUENCIES_HZ, (_, line) => {
  const start = line < LINES ? 0 : LINES
  const below = FREQUENCIES_HZ[Math.max(line - 1, start)] ?? 0
  const above = FREQUENCIES_HZ[Math.min(line + 1, start + LINES - 1)] ?? 0
  return line === start || line === start + LINES - 1 ? above - below : (above - below) / 2
})

const HALF_TABLE = FREQUENCIES_HZ.flatMap((frequency) =>
  Array.from({ length: GATE_BLOCK_SAMPLES / 2 }, (_, n) => (2 * Math.PI * frequency * (n + 0.5)) / 8000),
)
const COSINES = Float32Array.from(HALF_TABLE, Math.cos)
const SINES = Float32Array.from(HALF_TABLE, Math.sin)

/** Blocks in a second. */
const TURNS = 200
const TURN_COSINES = Float32Array.from({ length: TURNS }, (_, turn) => Math.cos((2 * Math.PI * turn) / TURNS))
const TURN_SINES = Float32Array.from({ length: TURNS }, (_, turn) => Math.sin((2 * Math.PI * turn) / TURNS))
