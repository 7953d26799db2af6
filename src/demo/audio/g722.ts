import { G722Band } from './g722-band.ts'

/**
 * ITU-T G.722 at 64 kbit/s (mode 1): 16 kHz audio in two bands, six bits for the lower and two for the upper,
 * packed with the upper band in the top two bits. One byte is two samples of 16 kHz.
 */
export class G722Encoder {
  readonly #lower = new G722Band('lower')
  readonly #upper = new G722Band('upper')
  readonly #even = new Float64Array(TAPS)
  readonly #odd = new Float64Array(TAPS)

  /** 16 kHz samples, an even number of them, to half as many bytes. */
  encode(samples: Int16Array): Uint8Array {
    const bytes = new Uint8Array(samples.length >> 1)
    for (let at = 0; at < bytes.length; at += 1) {
      push(this.#odd, samples[2 * at] ?? 0)
      push(this.#even, samples[2 * at + 1] ?? 0)
      let sumOdd = 0
      let sumEven = 0
      for (let tap = 0; tap < TAPS; tap += 1) {
        sumOdd += (this.#odd[tap] ?? 0) * (QMF[tap] ?? 0)
        sumEven += (this.#even[tap] ?? 0) * (QMF[TAPS - 1 - tap] ?? 0)
      }
      const low = clip15((sumEven + sumOdd) / 16_384)
      const high = clip15((sumEven - sumOdd) / 16_384)
      bytes[at] = (this.#upper.encode(high) << 6) | this.#lower.encode(low)
    }
    return bytes
  }
}

export class G722Decoder {
  readonly #lower = new G722Band('lower')
  readonly #upper = new G722Band('upper')
  readonly #sum = new Float64Array(TAPS)
  readonly #difference = new Float64Array(TAPS)

  /** Bytes to twice as many 16 kHz samples. */
  decode(bytes: Uint8Array): Int16Array {
    const samples = new Int16Array(bytes.length * 2)
    for (const [at, byte] of bytes.entries()) {
      const low = this.#lower.decode(byte & 0x3f)
      const high = this.#upper.decode(byte >> 6)
      push(this.#sum, low + high)
      push(this.#difference, low - high)
      let first = 0
      let second = 0
      for (let tap = 0; tap < TAPS; tap += 1) {
        first += (this.#difference[tap] ?? 0) * (QMF[TAPS - 1 - tap] ?? 0)
        second += (this.#sum[tap] ?? 0) * (QMF[tap] ?? 0)
      }
      samples[2 * at] = clip16(first / 2_048)
      samples[2 * at + 1] = clip16(second / 2_048)
    }
    return samples
  }
}

/** Half of the 24 coefficients of the quadrature mirror filter (G.722 table 11); the other half mirrors it. */
const QMF = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11]
const TAPS = QMF.length

/** Newest sample last. */
function push(line: Float64Array, sample: number): void {
  line.copyWithin(0, 1)
  line[TAPS - 1] = sample
}

function clip15(value: number): number {
  return Math.max(-16_384, Math.min(16_383, Math.floor(value)))
}

function clip16(value: number): number {
  return Math.max(-32_768, Math.min(32_767, Math.floor(value)))
}
