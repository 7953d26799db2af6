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
 * filter. The filter hears nothing in place of what is masked, so that a masked key does not ring out of it afterwards.
 */
export class PassingAudio {
  readonly #timeline: PayerTimeline
  readonly #filter = new BandStop()
  readonly #memory = new Int16Array(MEMORY_SAMPLES).fill(MASKED)
  readonly #scratch = new Float64Array(GATE_BLOCK_SAMPLES)
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

  #judge(span: { readonly from: number; readonly to: number; readonly passes: boolean }): void {
    const { from, to, passes } = span
    const length = to - from
    const scratch = this.#scratch
    if (passes) this.#timeline.read(from, scratch, length)
    else scratch.fill(0, 0, length)
    this.#filter.filter(scratch, 0, length)
    for (let index = 0; index < length; index += 1) {
      const sample = Math.max(-SAMPLE_MAX, Math.min(SAMPLE_MAX, Math.round(scratch[index] ?? 0)))
      this.#memory[(from + index) & (MEMORY_SAMPLES - 1)] = passes ? sample : MASKED
    }
  }
}
