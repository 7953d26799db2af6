import { BAND_LINES, keyEvidence, LINES_HZ, NO_EVIDENCE, SPACINGS_HZ } from './tone-evidence.ts'

/**
 * Answers, for each 5 ms of payer audio: could anybody read a key out of this? A DTMF receiver asks whether a digit is
 * valid and may stay silent when unsure; the gate suspects when unsure, for the masker masks what it suspects.
 *
 * It looks at windows of 10, 20, 40 and 80 ms, and suspects what lies in or beside a window
 * - whose strongest line in the low and in the high band hold nearly all energy (a tone, and nobody speaks), or
 * - whose two lines look like a key's under speech (see tone-evidence), or
 * - which is a burst too short to be speech.
 * After a key that is beyond doubt more keys follow, so for some seconds the gate asks for much less evidence.
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
  readonly blocks: 2 | 4 | 8 | 16
  /** Suspicious if the best pair has more than this of all energy in the window. */
  readonly shareMax: number
  /** The same with more keys expected. */
  readonly alertShareMax: number
  /** Suspicious if there is more evidence than this. */
  readonly evidenceMax: number
  /** The same with more keys expected. */
  readonly alertEvidenceMax: number
  /** Blocks either side of a suspicious window that are suspected too. */
  readonly margin: number
}

/** Set by measurement on 24 minutes of prompts, against keys with talk-over of -20 to +6 dB; see test/leak. */
const RULES: readonly [WindowRule, WindowRule, WindowRule, WindowRule] = [
  { blocks: 2, shareMax: 0.85, alertShareMax: 0.7, evidenceMax: 99, alertEvidenceMax: 99, margin: 3 },
  { blocks: 4, shareMax: 0.75, alertShareMax: 0.55, evidenceMax: 3, alertEvidenceMax: -1, margin: 2 },
  { blocks: 8, shareMax: 0.7, alertShareMax: 0.5, evidenceMax: 2.4, alertEvidenceMax: -1.2, margin: 1 },
  { blocks: 16, shareMax: 0.6, alertShareMax: 0.5, evidenceMax: 0.5, alertEvidenceMax: -1.5, margin: 0 },
]

const WIDEST_BLOCKS = 16

/** Within this many blocks of a suspicious window, windows with this much less evidence count as well. */
const NEAR_BLOCKS = 8
const NEAR_SLACK = 2.5
const ALERT_NEAR_SLACK = 1

/** They are of the same key, and so not more than 13 dB quieter. */
const NEAR_LEVEL_RATIO = 0.05

/** A key is as loud all along: a block with less than this part of the lines' energy is beside it, not in it. */
const LOUDNESS_MIN = 0.2
const WIDE_BLOCKS = 8

/** Two windows of 40 ms, 20 ms apart, with this much evidence are a key beyond doubt. Prompts get there every ten minutes. */
const PROVEN_EVIDENCE = 4
const PROVEN_RULE = 2
const PROVEN_APART_BLOCKS = 4

/** How long more keys are expected after a proven one, in blocks: ten seconds, for a pause between groups of digits. */
const ALERT_BLOCKS = 2000

/** Keys are expected to have at least this part of the energy of the quietest proven one: 30 dB less. */
const ALERT_LEVEL_RATIO = 0.001

/** A burst has this many times the energy of what is 10 ms before and 10 ms after it. */
const BURST_RATIO = 30
const ALERT_BURST_RATIO = 10
const BURST_REACH_BLOCKS = 2

/**
 * Mean square below which a window is silence and no tone: -68 dBm0, less than one step of G.711 around zero.
 * 0 dBm0 is a mean square of 15,770 squared.
 */
const SILENCE_MEAN_SQUARE = 40

/** A block with fewer known blocks than this on either side is judged as an edge. */
const EDGE_BLOCKS = 4

/** How much less evidence is asked for beside missing audio. */
const EDGE_SLACK = 4

/** Share of all energy in 5 or 10 ms alone, beside missing audio. A line is 200 Hz wide there, so speech has it too. */
const EDGE_SHARE_MAX = 0.5

/** Real and imaginary part of each line. */
const SPECTRUM = LINES_HZ.length * 2

export class ToneGate {
  readonly #tags = new Float64Array(SLOTS).fill(-1)
  /** For 1, 2, 4, 8 and 16 blocks from the slot's block on; spectra all have the phase of one common clock. */
  readonly #levels = Array.from({ length: RULES.length + 1 }, newLevel)
  readonly #even = new Float64Array(GATE_BLOCK_SAMPLES / 2)
  readonly #odd = new Float64Array(GATE_BLOCK_SAMPLES / 2)
  /** More keys are expected until this block, with lines of at least this energy in a block. */
  #alertUntil = -1
  #alertLine = 0

  /** Takes the 40 samples of one block from `start` on. A block that is older than the memory is forgotten at once. */
  analyse(block: number, samples: Int16Array, start: number): void {
    const slot = block & (SLOTS - 1)
    if ((this.#tags[slot] ?? -1) > block) return
    this.#tags[slot] = block
    for (const level of this.#levels) {
      level.share[slot] = 0
      level.evidence[slot] = NO_EVIDENCE
    }
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
      // Wide windows every 10 ms only: they change little in 5, and cost as much as all others together.
      const step = blocks < WIDE_BLOCKS ? 1 : 2
      for (let from = first + (step === 2 ? first & 1 : 0); from <= last; from += step) this.#measure(rule, from)
    }
  }

  knows(block: number): boolean {
    return block >= 0 && this.#tags[block & (SLOTS - 1)] === block
  }

  /** Somebody else is sure of a key at this block: more are expected, of whatever level. */
  expectKeys(block: number): void {
    this.#alertUntil = Math.max(this.#alertUntil, block + ALERT_BLOCKS)
    this.#alertLine = 0
  }

  /** What is thought of a block that is known, with all that has been analysed up to now. */
  verdict(block: number): GateVerdict {
    const alert = block <= this.#alertUntil
    const loudness = (this.#levels[0] ?? NO_LEVEL).energy[block & (SLOTS - 1)] ?? 0
    let nearLine = Number.POSITIVE_INFINITY
    let weakLine = -1
    for (let rule = 0; rule < RULES.length; rule += 1) {
      const { blocks, margin, evidenceMax, alertEvidenceMax, shareMax, alertShareMax } = RULES[rule] ?? RULES[0]
      const level = this.#levels[rule + 1] ?? NO_LEVEL
      const reach = rule === 0 ? margin : NEAR_BLOCKS
      for (let from = block - blocks + 1 - reach; from <= block + reach; from += 1) {
        const slot = from & (SLOTS - 1)
        if (this.#tags[slot] !== from) continue
        const found = level.evidence[slot] ?? NO_EVIDENCE
        const line = level.line[slot] ?? 0
        const wary = alert && line >= this.#alertLine
        const evidence = wary ? alertEvidenceMax : evidenceMax
        const share = wary ? alertShareMax : shareMax
        const slack = wary ? ALERT_NEAR_SLACK : NEAR_SLACK
        const loud = blocks < WIDE_BLOCKS || loudness >= LOUDNESS_MIN * line
        if (found > evidence || (level.share[slot] ?? 0) > share) {
          nearLine = Math.min(nearLine, line)
          if (loud && from > block - blocks - margin && from <= block + margin) return 'tone'
        }
        if (loud && found > evidence - slack && from > block - blocks && from <= block)
          weakLine = Math.max(weakLine, line)
      }
    }
    if (weakLine >= NEAR_LEVEL_RATIO * nearLine) return 'tone'
    let left = 0
    while (left < EDGE_BLOCKS && this.knows(block - left - 1)) left += 1
    let right = 0
    while (right < EDGE_BLOCKS && this.knows(block + right + 1)) right += 1
    const ratio = alert ? ALERT_BURST_RATIO : BURST_RATIO
    for (let at = block - 1; at <= block + 1; at += 1) if (this.#isBurst(at, ratio)) return 'tone'
    if (left === EDGE_BLOCKS && right === EDGE_BLOCKS) return 'clean'
    return this.#couldBePart({ block, left, right }) ? 'edge' : 'clean'
  }

  /** A block much louder than both what is shortly before and shortly after it; nothing known there counts as silence. */
  #isBurst(block: number, ratio: number): boolean {
    if (!this.knows(block)) return false
    const energies = this.#levels[0]?.energy ?? NO_LEVEL.energy
    const floor = SILENCE_MEAN_SQUARE * GATE_BLOCK_SAMPLES
    const limit = (energies[block & (SLOTS - 1)] ?? 0) / ratio
    if (limit <= floor) return false
    for (const beside of [block - BURST_REACH_BLOCKS, block + BURST_REACH_BLOCKS]) {
      if (this.knows(beside) && (energies[beside & (SLOTS - 1)] ?? 0) >= limit) return false
    }
    return true
  }

  /** Beside missing audio: the wider windows with less evidence, the short ones by their share alone. */
  #couldBePart(place: { readonly block: number; readonly left: number; readonly right: number }): boolean {
    const { block, left, right } = place
    if (left + right === 0) return true
    for (let rule = 1; rule < RULES.length; rule += 1) {
      const { blocks, evidenceMax, alertEvidenceMax } = RULES[rule] ?? RULES[0]
      const evidence = this.#levels[rule + 1]?.evidence ?? NO_LEVEL.evidence
      for (let from = block - blocks + 1; from <= block; from += 1) {
        const slot = from & (SLOTS - 1)
        const enough = (evidence[slot] ?? NO_EVIDENCE) > Math.min(evidenceMax - EDGE_SLACK, alertEvidenceMax)
        if (enough && this.#tags[slot] === from) return true
      }
    }
    // A tone that begins or ends in a block next to this one reaches into it.
    for (let at = block - Math.min(left, 1); at <= block + Math.min(right, 1); at += 1) {
      const slot = at & (SLOTS - 1)
      if (this.#blockShare(at) > EDGE_SHARE_MAX || (this.#levels[1]?.share[slot] ?? 0) > EDGE_SHARE_MAX) return true
    }
    return false
  }

  /** One block's lines. Folded about its middle, cosines need the even and sines the odd half of the samples. */
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
    const level = this.#levels[0] ?? NO_LEVEL
    const slot = block & (SLOTS - 1)
    level.energy[slot] = energy
    level.share[slot] = UNKNOWN_SHARE
    const spectra = level.spectra
    const turns = (block % TURNS) * LINES_HZ.length
    let table = 0
    for (let line = 0; line < LINES_HZ.length; line += 1) {
      let re = 0
      let im = 0
      for (let n = 0; n < half; n += 1, table += 1) {
        re += (even[n] ?? 0) * (COSINES[table] ?? 0)
        im -= (odd[n] ?? 0) * (SINES[table] ?? 0)
      }
      // Turned back to the common clock: whole frequencies repeat after 200 blocks (one second).
      const turn = TURN_OF[turns + line] ?? 0
      const cosine = TURN_COSINES[turn] ?? 0
      const sine = TURN_SINES[turn] ?? 0
      const at = slot * SPECTRUM + line * 2
      spectra[at] = re * cosine + im * sine
      spectra[at + 1] = im * cosine - re * sine
    }
  }

  /** Adds two half windows, all of which is known, to a whole one, and measures it. */
  #measure(rule: number, from: number): void {
    const blocks = RULES[rule]?.blocks ?? 2
    const half = this.#levels[rule] ?? NO_LEVEL
    const whole = this.#levels[rule + 1] ?? NO_LEVEL
    const slot = from & (SLOTS - 1)
    const other = (from + blocks / 2) & (SLOTS - 1)
    const first = slot * SPECTRUM
    const second = other * SPECTRUM
    const energy = (half.energy[slot] ?? 0) + (half.energy[other] ?? 0)
    whole.energy[slot] = energy
    addUp({ half: half.spectra, whole, slot, first, second })
    const samples = blocks * GATE_BLOCK_SAMPLES
    const line = ((whole.lowPower[slot] ?? 0) + (whole.highPower[slot] ?? 0)) * (2 / samples)
    whole.line[slot] = line / blocks
    if (energy < SILENCE_MEAN_SQUARE * samples) return
    whole.share[slot] = line / energy
    if (blocks === 2) return
    whole.evidence[slot] = keyEvidence({
      blocks,
      spectra: half.spectra,
      first,
      second,
      energy,
      lowBand: (half.lowBand[slot] ?? 0) + (half.lowBand[other] ?? 0),
      highBand: (half.highBand[slot] ?? 0) + (half.highBand[other] ?? 0),
      low: whole.low[slot] ?? 0,
      high: whole.high[slot] ?? 0,
    })
    if (rule === PROVEN_RULE && this.#isProven(from)) {
      const quietest = (whole.line[slot] ?? 0) * ALERT_LEVEL_RATIO
      this.#alertLine = from > this.#alertUntil ? quietest : Math.min(quietest, this.#alertLine)
      this.#alertUntil = Math.max(this.#alertUntil, from + ALERT_BLOCKS)
    }
  }

  #isProven(from: number): boolean {
    const evidence = this.#levels[PROVEN_RULE + 1]?.evidence ?? NO_LEVEL.evidence
    const before = from - PROVEN_APART_BLOCKS
    if (!this.knows(before)) return false
    return Math.min(evidence[from & (SLOTS - 1)] ?? 0, evidence[before & (SLOTS - 1)] ?? 0) > PROVEN_EVIDENCE
  }

  /** The best pair's part of all energy in one block; asked for beside missing audio only, and so not kept ready. */
  #blockShare(block: number): number {
    const level = this.#levels[0] ?? NO_LEVEL
    const slot = block & (SLOTS - 1)
    const known = level.share[slot] ?? 0
    if (known !== UNKNOWN_SHARE) return known
    const energy = level.energy[slot] ?? 0
    let low = 0
    let high = 0
    for (let line = 0; line < LINES_HZ.length; line += 1) {
      const at = slot * SPECTRUM + line * 2
      const power = (level.spectra[at] ?? 0) ** 2 + (level.spectra[at + 1] ?? 0) ** 2
      if (line < BAND_LINES) low = Math.max(low, power)
      else high = Math.max(high, power)
    }
    const silent = energy < SILENCE_MEAN_SQUARE * GATE_BLOCK_SAMPLES
    const share = silent ? 0 : ((low + high) * 2) / GATE_BLOCK_SAMPLES / energy
    level.share[slot] = share
    return share
  }
}

/** Written and read within one call. */
const POWERS = new Float64Array(LINES_HZ.length)

/** Adds the spectra of two halves, and finds each band's energy (times Hz) and its strongest line. */
function addUp(window: {
  readonly half: Float32Array
  readonly whole: Level
  readonly slot: number
  readonly first: number
  readonly second: number
}): void {
  const { half, whole, slot } = window
  const { spectra } = whole
  let a = window.first
  let b = window.second
  for (let band = 0; band < 2; band += 1) {
    const end = (band + 1) * BAND_LINES
    let energy = 0
    let bestPower = -1
    for (let line = end - BAND_LINES; line < end; line += 1, a += 2, b += 2) {
      const re = (half[a] ?? 0) + (half[b] ?? 0)
      const im = (half[a + 1] ?? 0) + (half[b + 1] ?? 0)
      spectra[a] = re
      spectra[a + 1] = im
      const power = re * re + im * im
      POWERS[line] = power
      energy += power * (SPACINGS_HZ[line] ?? 0)
      bestPower = Math.max(bestPower, power)
    }
    // Looked up afterwards: a branch on each new maximum could not be predicted and costs more than this.
    let best = end - BAND_LINES
    while (best < end - 1 && POWERS[best] !== bestPower) best += 1
    if (band === 0) {
      whole.lowBand[slot] = energy
      whole.low[slot] = best
      whole.lowPower[slot] = bestPower
    } else {
      whole.highBand[slot] = energy
      whole.high[slot] = best
      whole.highPower[slot] = bestPower
    }
  }
}

/** What is known of all windows of one length, by the slot of their first block. */
type Level = ReturnType<typeof newLevel>

function newLevel() {
  return {
    spectra: new Float32Array(SLOTS * SPECTRUM),
    energy: new Float64Array(SLOTS),
    lowBand: new Float64Array(SLOTS),
    highBand: new Float64Array(SLOTS),
    low: new Uint8Array(SLOTS),
    high: new Uint8Array(SLOTS),
    lowPower: new Float64Array(SLOTS),
    highPower: new Float64Array(SLOTS),
    share: new Float64Array(SLOTS),
    /** Energy that the strongest pair has in one block, if it is there all along. */
    line: new Float64Array(SLOTS),
    evidence: new Float64Array(SLOTS).fill(NO_EVIDENCE),
  }
}

const NO_LEVEL = newLevel()

/** A block's share that has not been asked for yet. */
const UNKNOWN_SHARE = -1

const ANGLES = LINES_HZ.flatMap((frequency) =>
  Array.from({ length: GATE_BLOCK_SAMPLES / 2 }, (_, n) => (2 * Math.PI * frequency * (n + 0.5)) / 8000),
)
const COSINES = Float64Array.from(ANGLES, Math.cos)
const SINES = Float64Array.from(ANGLES, Math.sin)

/** Blocks in a second, and by how much of a turn (in as many parts) each line has moved on at each of them. */
const TURNS = 200
const TURN_OF = Uint8Array.from({ length: TURNS * LINES_HZ.length }, (_, index) => {
  const block = Math.floor(index / LINES_HZ.length)
  return ((LINES_HZ[index % LINES_HZ.length] ?? 0) * block) % TURNS
})
const TURN_COSINES = Float64Array.from({ length: TURNS }, (_, turn) => Math.cos((2 * Math.PI * turn) / TURNS))
const TURN_SINES = Float64Array.from({ length: TURNS }, (_, turn) => Math.sin((2 * Math.PI * turn) / TURNS))
