import { BandStop } from './band-stop.ts'
import { linearToAlaw, linearToUlaw, type G711Law } from './g711.ts'
import type { PayerTimeline } from './payer-timeline.ts'
import { GATE_BLOCK_SAMPLES } from './tone-gate.ts'

/** A power of two above the longest look-ahead: packets that changed places are copied out later than they were judged. */
const MEMORY_SAMPLES = 4096

/** Stands for a sample that does not pass; the filter's output is held within 16 bits less a little. */
const MASKED = -32768
const SAMPLE_MAX = 32_124

/**
 * What of the payer's audio may pass, in the order of time: each block is judged once, and what is no key goes through the band
 * filter. After a masked stretch the filter goes on either with all that was in it, or as if it had been silence. If a key ended
 * there, the first would let it ring on; if one goes on, the second would let its sudden beginning through. The quieter is taken.
 */
export class PassingAudio {
  readonly #timeline: PayerTimeline
  readonly #filter = new BandStop()
  readonly #memory = new Int16Array(MEMORY_SAMPLES).fill(MASKED)
  readonly #fresh = new BandStop()
  readonly #block = new Float64Array(GATE_BLOCK_SAMPLES)
  readonly #freshBlock = new Float64Array(GATE_BLOCK_SAMPLES)
  #passed = false
  #judgedUntil: number

  constructor(options: { readonly timeline: PayerTimeline; readonly from: number }) {
    this.#timeline = options.timeline
    this.#judgedUntil = options.from
  }

  /** Judges all before `until` that has not been judged. True when a tone is suspected in it. All from `maskFrom` on is masked. */
  advance(until: number, maskFrom: number): boolean {
    if (until - this.#judgedUntil > MEMORY_SAMPLES) {
      this.#judgedUntil = until - MEMORY_SAMPLES
      this.#filter.reset()
    }
    let suspected = false
    while (this.#judgedUntil < until) {
      const from = this.#judgedUntil
      const block = Math.floor(from / GATE_BLOCK_SAMPLES)
      const to = Math.min((block + 1) * GATE_BLOCK_SAMPLES, until)
      const verdict = this.#timeline.verdict(block)
      if (verdict === 'tone') suspected = true
      this.#judge({ from, to, passes: verdict === 'clean' && to <= maskFrom && !this.#timeline.inMaskedSpan(block) })
      this.#judgedUntil = to
    }
    return suspected
  }

  /** Writes what passes of this time over the noise in `target`, and returns how many samples that were. */
  copy(span: {
    readonly target: Uint8Array
    readonly start: number
    readonly position: number
    readonly length: number
    readonly law: G711Law
  }): number {
    const encode = span.law === 'ulaw' ? linearToUlaw : linearToAlaw
    let passed = 0
    for (let index = 0; index < span.length; index += 1) {
      const sample = this.#memory[(span.position + index) & (MEMORY_SAMPLES - 1)] ?? MASKED
      if (sample === MASKED) continue
      span.target[span.start + index] = encode(sample)
      passed += 1
    }
    return passed
  }

  /** Overwrites the audio; nothing of it passes any more. */
  wipe(): void {
    this.#memory.fill(MASKED)
    this.#block.fill(0)
    this.#freshBlock.fill(0)
    this.#filter.reset()
    this.#fresh.reset()
  }

  #judge(span: { readonly from: number; readonly to: number; readonly passes: boolean }): void {
    const { from, to, passes } = span
    const length = to - from
    this.#timeline.read(from, this.#block, length)
    const begins = passes && !this.#passed
    if (begins) this.#freshBlock.set(this.#block)
    this.#filter.filter(this.#block, 0, length)
    if (begins) this.#takeQuieter(length)
    this.#passed = passes
    const memory = this.#memory
    let at = from & (MEMORY_SAMPLES - 1)
    for (let index = 0; index < length; index += 1) {
      memory[at] = passes ? held(this.#block[index] ?? 0) : MASKED
      at = (at + 1) & (MEMORY_SAMPLES - 1)
    }
  }

  #takeQuieter(length: number): void {
    this.#fresh.reset()
    this.#fresh.filter(this.#freshBlock, 0, length)
    if (energyOf(this.#freshBlock, length) >= energyOf(this.#block, length)) return
    this.#block.set(this.#freshBlock)
    this.#filter.become(this.#fresh)
  }
}

function held(sample: number): number {
  return sample > SAMPLE_MAX ? SAMPLE_MAX : sample < -SAMPLE_MAX ? -SAMPLE_MAX : Math.round(sample)
}

function energyOf(samples: Float64Array, length: number): number {
  let energy = 0
  for (let index = 0; index < length; index += 1) energy += (samples[index] ?? 0) ** 2
  return energy
}
