/**
 * Doubles and halves the rate between 8 and 16 kHz, 20 ms at a time, for G.722.
 * A half-band low-pass (windowed sinc, 31 taps); each direction delays by 15 samples of 16 kHz, just under 1 ms.
 */
export class HalfBand {
  readonly #line = new Float64Array(TAPS)

  /** 8 kHz samples to twice as many at 16 kHz. */
  double(samples: Int16Array): Int16Array {
    const out = new Int16Array(samples.length * 2)
    for (let at = 0; at < out.length; at += 1) {
      this.#push(at % 2 === 0 ? (samples[at >> 1] ?? 0) : 0)
      out[at] = clip(2 * this.#filtered())
    }
    return out
  }

  /** 16 kHz samples to half as many at 8 kHz. */
  halve(samples: Int16Array): Int16Array {
    const out = new Int16Array(samples.length >> 1)
    for (let at = 0; at < samples.length; at += 1) {
      this.#push(samples[at] ?? 0)
      if (at % 2 === 1) out[at >> 1] = clip(this.#filtered())
    }
    return out
  }

  #push(sample: number): void {
    this.#line.copyWithin(0, 1)
    this.#line[TAPS - 1] = sample
  }

  #filtered(): number {
    let sum = 0
    for (let tap = 0; tap < TAPS; tap += 1) sum += (this.#line[tap] ?? 0) * (KERNEL[tap] ?? 0)
    return sum
  }
}

const TAPS = 31
const KERNEL = Float64Array.from({ length: TAPS }, (_, tap) => {
  const distance = tap - (TAPS - 1) / 2
  const sinc = distance === 0 ? 0.5 : Math.sin((Math.PI * distance) / 2) / (Math.PI * distance)
  return sinc * (0.54 + 0.46 * Math.cos((2 * Math.PI * distance) / (TAPS - 1)))
})

function clip(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.round(value)))
}
