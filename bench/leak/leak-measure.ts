import type { MaskedCall } from './masked-line.ts'
import { RMS_0_DBM0, SAMPLES_PER_MS, type Stimulus } from './stimulus.ts'

/** What a scenario's masking cost, and what of the tones it let through. */
export type LeakFigures = {
  /** Audio that was replaced outside the tones, for each key. */
  readonly silencedMsPerKey: number
  /** Of that, stretches in which the payer spoke. */
  readonly silencedSpeechMsPerKey: number
  /** Tone that left as it came, for each key. */
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
  #toneEnergy = 0
  #passedEnergy = 0
  /** How much of each tone's own waveform is in what was changed: noise averages out, a remainder of the tone does not. */
  #remainder = 0
  #remainders = 0

  add(
    stimulus: Pick<Stimulus, 'tone' | 'speech' | 'presses'>,
    masked: Pick<MaskedCall, 'changed' | 'came' | 'heard'>,
  ): void {
    const { tone, speech, presses } = stimulus
    const { changed, came, heard } = masked
    this.#keys += presses.length
    for (const press of presses) {
      let energy = 0
      let product = 0
      for (let n = press.start; n < press.start + press.samples; n += 1) {
        const sample = tone[n] ?? 0
        if (came[n] !== 1) continue
        this.#toneEnergy += sample * sample
        if (changed[n] === 1) {
          energy += sample * sample
          product += sample * (heard[n] ?? 0)
        } else {
          this.#passedEnergy += sample * sample
          if (sample !== 0) this.#passedTone += 1
        }
      }
      if (energy > 0) {
        this.#remainder += product / energy
        this.#remainders += 1
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
    const remainder = this.#remainders === 0 ? 0 : this.#remainder / this.#remainders
    const leaked = this.#toneEnergy === 0 ? 0 : this.#passedEnergy / this.#toneEnergy + remainder * remainder
    const leakedDb = Math.max(LEAKED_DB_MIN, 10 * Math.log10(leaked))
    return {
      silencedMsPerKey: perKey(this.#silenced),
      silencedSpeechMsPerKey: perKey(this.#silencedSpeech),
      passedToneMsPerKey: perKey(this.#passedTone),
      leakedDb: Math.round(leakedDb * 10) / 10,
    }
  }
}
