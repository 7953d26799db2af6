/**
 * Takes the frequencies of all keys out of audio, whatever else is there: whoever talks over a key is heard, and the key is not.
 * It is fixed and the same for every key, so nothing of it depends on which key was pressed.
 *
 * One stop band from 665 to 1700 Hz, 80 dB down: ITU-T Q.23's 697 to 1633 Hz with 3.5 % either way. Less would not do, for half a
 * second of one line is heard far below speech. One band and not two, for what passes between rows and columns tells them apart.
 * The edges lie far out, 3 dB down at 465 and 2165 Hz, so that the click at the beginning and end of a key looks much the same for
 * all keys. Elsewhere within 0.5 dB. An elliptic filter in six sections (scipy: ellip(6, 0.5, 80, [450, 2200], 'bandstop')).
 */

/** Of all sections together. */
const GAIN = 0.03702481453645583

type Section = {
  /** Of z^-1 above; z^-2 has 1, for all zeros lie on the unit circle. */
  readonly zero: number
  /** Of z^-1 and z^-2 below. */
  readonly pole1: number
  readonly pole2: number
}

const SECTIONS: readonly Section[] = [
  { zero: -1.106086797122, pole1: 0.908343339078, pole2: 0.327513176696 },
  { zero: -0.710120561442, pole1: 0.521093444155, pole2: 0.674827903383 },
  { zero: -1.472507450596, pole1: -1.749256868865, pole2: 0.778167576564 },
  { zero: -1.663496078288, pole1: -1.801157272956, pole2: 0.885844385207 },
  { zero: -0.489385039997, pole1: 0.283227023045, pole2: 0.910513264576 },
  { zero: -1.731192802696, pole1: -1.843893036452, pole2: 0.967492483821 },
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
    // Two sections at a time: the processor works on the second while the first is still busy with the next sample.
    for (let section = 0; section < SECTIONS.length; section += 2) {
      const { zero, pole1, pole2 } = SECTIONS[section] ?? NO_SECTION
      const next = SECTIONS[section + 1] ?? NO_SECTION
      const at = section * 2
      let a1 = this.#state[at] ?? 0
      let a2 = this.#state[at + 1] ?? 0
      let b1 = this.#state[at + 2] ?? 0
      let b2 = this.#state[at + 3] ?? 0
      for (let index = start; index < end; index += 1) {
        const input = samples[index] ?? 0
        const between = input + a1
        a1 = zero * input - pole1 * between + a2
        a2 = input - pole2 * between
        const output = between + b1
        b1 = next.zero * between - next.pole1 * output + b2
        b2 = between - next.pole2 * output
        samples[index] = output
      }
      this.#keep(at, a1, a2)
      this.#keep(at + 2, b1, b2)
    }
  }

  /** Goes on as if only silence had come before. */
  reset(): void {
    this.#state.fill(0)
  }

  /** Goes on as the other would. */
  become(other: BandStop): void {
    this.#state.set(other.#state)
  }

  #keep(at: number, first: number, second: number): void {
    this.#state[at] = Math.abs(first) < STATE_MIN ? 0 : first
    this.#state[at + 1] = Math.abs(second) < STATE_MIN ? 0 : second
  }
}

const NO_SECTION: Section = { zero: 0, pole1: 0, pole2: 0 }
