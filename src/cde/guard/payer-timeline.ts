import { ALAW_TO_LINEAR, ULAW_TO_LINEAR, type G711Law } from './g711.ts'
import { GATE_BLOCK_SAMPLES, ToneGate, type GateVerdict } from './tone-gate.ts'

/** Blocks remembered, as in the gate: 640 ms, a power of two. */
const SLOTS = 128

/** Key presses and joints whose audio may still be held: one every 80 ms of the memory. */
const SPANS_MAX = 8

type Span = { readonly from: number; readonly to: number }

/**
 * The payer's audio where it belongs in time, block by block of 5 ms, and what is thought of each block. Positions are
 * samples, counted upwards without wrap. A block is judged only when it is whole and was written once, in order.
 */
export class PayerTimeline {
  readonly #gate = new ToneGate()
  readonly #samples = new Int16Array(SLOTS * GATE_BLOCK_SAMPLES)
  readonly #tags = new Float64Array(SLOTS).fill(-1)
  readonly #filled = new Uint8Array(SLOTS)
  /** 1: written twice or with a hole, and so masked. */
  readonly #torn = new Uint8Array(SLOTS)
  /** 1: this time has gone out already, as noise in place of an event. */
  readonly #substituted = new Uint8Array(SLOTS)
  readonly #spans: Span[] = []

  /** Puts a packet's audio in its place. Blocks that are older than the memory stay unknown, and so masked. */
  write(audio: { readonly position: number; readonly payload: Uint8Array; readonly law: G711Law }): void {
    const table = audio.law === 'ulaw' ? ULAW_TO_LINEAR : ALAW_TO_LINEAR
    const length = audio.payload.length
    let at = 0
    while (at < length) {
      const block = Math.floor((audio.position + at) / GATE_BLOCK_SAMPLES)
      const offset = audio.position + at - block * GATE_BLOCK_SAMPLES
      const count = Math.min(GATE_BLOCK_SAMPLES - offset, length - at)
      const slot = this.#slot(block)
      if (slot !== -1) {
        if (this.#filled[slot] === offset) {
          const start = slot * GATE_BLOCK_SAMPLES + offset
          for (let index = 0; index < count; index += 1) {
            this.#samples[start + index] = table[audio.payload[at + index] ?? 0] ?? 0
          }
          this.#filled[slot] = offset + count
          if (offset + count === GATE_BLOCK_SAMPLES) {
            this.#gate.analyse(block, this.#samples, slot * GATE_BLOCK_SAMPLES)
          }
        } else this.#torn[slot] = 1
      }
      at += count
    }
  }

  /** Masks this time whatever the gate thinks: an event was there, or a joint. When there are too many, two become one. */
  maskSpan(span: Span): void {
    const last = this.#spans.at(-1)
    if (last !== undefined && span.from <= last.to && span.to >= last.from) {
      this.#spans[this.#spans.length - 1] = hull(last, span)
      return
    }
    this.#spans.push(span)
    const [first, second] = this.#spans
    if (this.#spans.length > SPANS_MAX && first !== undefined && second !== undefined) {
      this.#spans.splice(0, 2, hull(first, second))
    }
  }

  /** Overwrites the audio. Every block is unknown then. */
  wipe(): void {
    this.#samples.fill(0)
    this.#tags.fill(-1)
    this.#gate.wipe()
  }

  /** What is thought of a block by the gate alone; a block that is not whole counts as `edge`. */
  verdict(block: number): GateVerdict {
    if (!this.#isWhole(block)) return 'edge'
    return this.#gate.verdict(block)
  }

  /** Keys are awaited from this position on. */
  expectKeys(position: number): void {
    this.#gate.expectKeys(Math.floor(position / GATE_BLOCK_SAMPLES))
  }

  /** Copies samples of one block into the start of the given array; silence where the block is not whole. */
  read(position: number, into: Float64Array, length: number): void {
    const block = Math.floor(position / GATE_BLOCK_SAMPLES)
    const slot = block & (SLOTS - 1)
    if (!this.#isWhole(block)) {
      into.fill(0, 0, length)
      return
    }
    const start = slot * GATE_BLOCK_SAMPLES + position - block * GATE_BLOCK_SAMPLES
    for (let index = 0; index < length; index += 1) into[index] = this.#samples[start + index] ?? 0
  }

  /** True when any of the block lies in a masked span. */
  inMaskedSpan(block: number): boolean {
    const from = block * GATE_BLOCK_SAMPLES
    for (const span of this.#spans) if (span.from < from + GATE_BLOCK_SAMPLES && span.to > from) return true
    return false
  }

  /** True when audio of this position has come in. */
  holdsAudio(position: number): boolean {
    const block = Math.floor(position / GATE_BLOCK_SAMPLES)
    const slot = block & (SLOTS - 1)
    return this.#tags[slot] === block && (this.#filled[slot] ?? 0) > position - block * GATE_BLOCK_SAMPLES
  }

  /** Notes that noise has gone out for this time, so that audio that comes for it later is not sent as well. */
  substitute(span: Span): void {
    for (let block = Math.floor(span.from / GATE_BLOCK_SAMPLES); block * GATE_BLOCK_SAMPLES < span.to; block += 1) {
      const slot = this.#slot(block)
      if (slot !== -1) this.#substituted[slot] = 1
    }
  }

  isSubstituted(span: Span): boolean {
    for (let block = Math.floor(span.from / GATE_BLOCK_SAMPLES); block * GATE_BLOCK_SAMPLES < span.to; block += 1) {
      const slot = block & (SLOTS - 1)
      if (this.#tags[slot] !== block || this.#substituted[slot] !== 1) return false
    }
    return true
  }

  #isWhole(block: number): boolean {
    const slot = block & (SLOTS - 1)
    return this.#tags[slot] === block && this.#torn[slot] === 0 && this.#filled[slot] === GATE_BLOCK_SAMPLES
  }

  /** The block's slot, emptied when it held an older block; -1 when the slot has gone on to a newer one. */
  #slot(block: number): number {
    const slot = block & (SLOTS - 1)
    const tag = this.#tags[slot] ?? -1
    if (tag > block || block < 0) return -1
    if (tag < block) {
      this.#tags[slot] = block
      this.#filled[slot] = 0
      this.#torn[slot] = 0
      this.#substituted[slot] = 0
    }
    return slot
  }
}

function hull(a: Span, b: Span): Span {
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) }
}
