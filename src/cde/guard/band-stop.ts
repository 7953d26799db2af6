/**
 * Takes the frequencies of all keys out of audio, whatever else is there: whoever talks over a key is heard, and the key is not.
 * It is fixed and the same for every key, so nothing of it depends on which key was pressed.
 *
 * One stop band from 665 to 1700 Hz, 55 dB down: ITU-T Q.23's 697 to 1633 Hz with 3.5 % either way. One band and not two, for
 * what passes between rows and columns tells them apart. The edges lie far out at 515 and 2020 Hz (3 dB), and the poles are tame,
 * so that the click at the beginning and end of a key looks much the same for all keys and has died down by 37 dB after 15 ms.
 * Elsewhere within 0.5 dB. An elliptic filter of order 10, as five sections (scipy: ellip(5, 0.5, 55, [500, 2060], 'bandstop')).
 */

/** Of all sections together. */
const GAIN = 0.11229273795768262

type Section = {
  /** Of z^-1 above; z^-2 has 1, for all zeros lie on the unit circle. */
  readonly zero: number
  /** Of z^-1 and z^-2 below. */
  readonly pole1: number
  readonly pole2: number
}

const SECTIONS: readonly Section[] = [
  { zero: -0.807057331886, pole1: 0.358429187119, pole2: 0.541790468623 },
  { zero: -1.309850223173, pole1: -0.485384120013, pole2: -0.258870806102 },
  { zero: -1.628755957613, pole1: -1.725599569092, pole2: 0.821644543809 },
  { zero: -0.502603190823, pole1: 0.065956638538, pole2: 0.89097854659 },
  { zero: -1.729030129641, pole1: -1.803855512844, pole2: 0.956320395385 },
]

/** What is left in a section below this is nothing; smaller still, and the processor would take a hundred times as long. */
const STATE_MIN = 1e-9

export class BandStop {
  /** Two numbers for each section. */
  readonly #state = new Float64Array(SECTIONS.length * 2)

  /** Filters `length` samples from `start` on, in place. Calls are one stream: what came before still rings. */
  filter(samples: Float64Array, start: number, length: number): void {
    const end = start + length
    for (let index = start; index < end; index += 1) samples[index] = (samples[index] ?? 0) * GAIN
    let at = 0
    for (const { zero, pole1, pole2 } of SECTIONS) {
      let first = this.#state[at] ?? 0
      let second = this.#state[at + 1] ?? 0
      for (let index = start; index < end; index += 1) {
        const input = samples[index] ?? 0
        const output = input + first
        first = zero * input - pole1 * output + second
        second = input - pole2 * output
        samples[index] = output
      }
      this.#state[at] = Math.abs(first) < STATE_MIN ? 0 : first
      this.#state[at + 1] = Math.abs(second) < STATE_MIN ? 0 : second
      at += 2
    }
  }

  /** Silence from here on. */
  reset(): void {
    this.#state.fill(0)
  }
}
