/** Eight seconds at 8 kHz, a power of two: longer than any press that is measured, with what lies around it. */
const TAPE_SAMPLES = 65_536

/** Linear samples of the last seconds, each at its place in the sender's time, and which of them arrived. */
export class AudioTape {
  readonly #samples = new Int16Array(TAPE_SAMPLES)
  /** Position of the sample in each slot; -1: none. Tells an old sample from one that arrived. */
  readonly #positions = new Float64Array(TAPE_SAMPLES).fill(-1)
  #head = 0

  /** One past the last position that was written. */
  get head(): number {
    return this.#head
  }

  /** The earliest position that can still be read. */
  get tail(): number {
    return Math.max(0, this.#head - TAPE_SAMPLES)
  }

  write(samples: Int16Array, at: number): void {
    if (at < 0) return
    for (let index = 0; index < samples.length; index += 1) {
      const position = at + index
      if (position < this.tail) continue
      const slot = position % TAPE_SAMPLES
      this.#samples[slot] = samples[index] ?? 0
      this.#positions[slot] = position
    }
    this.#head = Math.max(this.#head, at + samples.length)
  }

  isKnown(position: number): boolean {
    return position >= 0 && this.#positions[position % TAPE_SAMPLES] === position
  }

  /** 0 where nothing arrived. */
  sample(position: number): number {
    return this.isKnown(position) ? (this.#samples[position % TAPE_SAMPLES] ?? 0) : 0
  }

  /** Overwrites all. */
  wipe(): void {
    this.#samples.fill(0)
    this.#positions.fill(-1)
  }
}
