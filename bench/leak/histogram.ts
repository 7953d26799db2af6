/** Values counted in steps: quantiles of millions of values in little memory. */
export class Histogram {
  readonly #stepMs: number
  readonly #counts: Uint32Array
  #count = 0

  /** Values beyond `maxMs` count as `maxMs`. */
  constructor(options: { readonly stepMs: number; readonly maxMs: number }) {
    this.#stepMs = options.stepMs
    this.#counts = new Uint32Array(Math.ceil(options.maxMs / options.stepMs) + 1)
  }

  add(value: number): void {
    const step = Math.max(0, Math.min(this.#counts.length - 1, Math.round(value / this.#stepMs)))
    this.#counts[step] = (this.#counts[step] ?? 0) + 1
    this.#count += 1
  }

  /** The value below or at which this part of the values lies; 0 without values. */
  quantile(part: number): number {
    let left = Math.ceil(part * this.#count)
    for (const [step, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return step * this.#stepMs
    }
    return 0
  }
}
