import type { MaskedCall } from './masked-line.ts'
import { RMS_0_DBM0, SAMPLES_PER_MS, type Stimulus } from './stimulus.ts'

/** What a scenario's masking cost, and what of the tones it let through. */
export type LeakFigures = {
  /** Audio that was replaced outside the tones, for each key. */
  readonly silencedMsPerKey: number
  /** Of that, stretches in which the payer spoke. */
  readonly silencedSpeechMsPerKey: number
  /** Tone in whose place no noise left, for each key; what was filtered out of it then is in `leakedDb`. */
  readonly passedToneMsPerKey: number
  /** Energy of the tones that left against what came. */
  readonly leakedDb: number
}

/** Below this nothing is told apart from rounding. */
const LEAKED_DB_MIN = -80

/** Speech counts as active above -45 dBm0, in stretches of 5 ms. */
const ACTIVE_MEAN_SQUARE = (RMS_0_DBM0 * 10 ** (-45 / 20)) ** 2
const STRETCH = 5 * SAMPLES_PER_MS

/** Sums over the calls of a scenario. */
export class LeakMeasure {
  #keys = 0
  #silenced = 0
  #silencedSpeech = 0
  #passedTone = 0
  /**
   * The tones' own waveform is looked for in what left: speech and noise average out over many keys, a remainder of a tone
   * does not. Apart for what passed and for what was replaced.
   */
  readonly #passed = { energy: 0, product: 0 }
  readonly #replaced = { energy: 0, product: 0 }

  add(
    stimulus: Pick<Stimulus, 'tone' | 'speech' | 'presses'>,
    masked: Pick<MaskedCall, 'changed' | 'came' | 'heard'>,
  ): void {
    const { tone, speech, presses } = stimulus
    const { changed, came, heard } = masked
    this.#keys += presses.length
    for (const press of presses) {
      for (let n = press.start; n < press.start + press.samples; n += 1) {
        const sample = tone[n] ?? 0
        if (came[n] !== 1 || sample === 0) continue
        const into = changed[n] === 1 ? this.#replaced : this.#passed
        into.energy += sample * sample
        into.product += sample * (heard[n] ?? 0)
        if (into === this.#passed) this.#passedTone += 1
      }
    }
    const inTone = new Uint8Array(tone.length)
    for (const press of presses) inTone.fill(1, press.start, press.start + press.samples)
    for (let from = 0; from < tone.length; from += STRETCH) {
      let outside = 0
      let energy = 0
      for (let n = from; n < from + STRETCH; n += 1) {
        if (changed[n] === 1 && inTone[n] === 0) outside += 1
        energy += (speech[n] ?? 0) ** 2
      }
      this.#silenced += outside
      if (energy > ACTIVE_MEAN_SQUARE * STRETCH) this.#silencedSpeech += outside
    }
  }

  figures(): LeakFigures {
    const perKey = (samples: number): number => Math.round((100 * samples) / SAMPLES_PER_MS / this.#keys) / 100
    const came = this.#passed.energy + this.#replaced.energy
    const partOf = ({ energy, product }: { energy: number; product: number }): number =>
      energy === 0 ? 0 : (energy / came) * (product / energy) ** 2
    const leaked = partOf(this.#passed) + partOf(this.#replaced)
    const leakedDb = Math.max(LEAKED_DB_MIN, 10 * Math.log10(leaked))
    return {
      silencedMsPerKey: perKey(this.#silenced),
      silencedSpeechMsPerKey: perKey(this.#silencedSpeech),
      passedToneMsPerKey: perKey(this.#passedTone),
      leakedDb: Math.round(leakedDb * 10) / 10,
    }
  }
}
