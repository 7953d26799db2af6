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

const A: Section = { zero: -1.106086797122, pole1: 0.908343339078, pole2: 0.327513176696 }
const B: Section = { zero: -0.710120561442, pole1: 0.521093444155, pole2: 0.674827903383 }
const C: Section = { zero: -1.472507450596, pole1: -1.749256868865, pole2: 0.778167576564 }
const D: Section = { zero: -1.663496078288, pole1: -1.801157272956, pole2: 0.885844385207 }
const E: Section = { zero: -0.489385039997, pole1: 0.283227023045, pole2: 0.910513264576 }
const F: Section = { zero: -1.731192802696, pole1: -1.843893036452, pole2: 0.967492483821 }
const SECTIONS = 6

/** What is left in a section below this is nothing; smaller still, and the processor would take a hundred times as long. */
const STATE_MIN = 1e-9

export class BandStop {
  /** Two numbers for each section. */
  readonly #state = new Float64Array(SECTIONS * 2)

  /** Filters `length` samples from `start` on, in place. Calls are one stream: what came before still rings. */
  filter(samples: Float64Array, start: number, length: number): void {
    // All sections in one pass: the processor works on each while those before it are busy with the next sample.
    const state = this.#state
    let [a1, a2, b1, b2] = [state[0] ?? 0, state[1] ?? 0, state[2] ?? 0, state[3] ?? 0]
    let [c1, c2, d1, d2] = [state[4] ?? 0, state[5] ?? 0, state[6] ?? 0, state[7] ?? 0]
    let [e1, e2, f1, f2] = [state[8] ?? 0, state[9] ?? 0, state[10] ?? 0, state[11] ?? 0]
    for (let index = start; index < start + length; index += 1) {
      const input = (samples[index] ?? 0) * GAIN
      const a = input + a1
      a1 = A.zero * input - A.pole1 * a + a2
      a2 = input - A.pole2 * a
      const b = a + b1
      b1 = B.zero * a - B.pole1 * b + b2
      b2 = a - B.pole2 * b
      const c = b + c1
      c1 = C.zero * b - C.pole1 * c + c2
      c2 = b - C.pole2 * c
      const d = c + d1
      d1 = D.zero * c - D.pole1 * d + d2
      d2 = c - D.pole2 * d
      const e = d + e1
      e1 = E.zero * d - E.pole1 * e + e2
      e2 = d - E.pole2 * e
      const f = e + f1
      f1 = F.zero * e - F.pole1 * f + f2
      f2 = e - F.pole2 * f
      samples[index] = f
    }
    this.#keep(0, a1, a2)
    this.#keep(2, b1, b2)
    this.#keep(4, c1, c2)
    this.#keep(6, d1, d2)
    this.#keep(8, e1, e2)
    this.#keep(10, f1, f2)
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
