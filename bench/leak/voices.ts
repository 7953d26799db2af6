import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { resample } from '../../src/demo/audio/resampler.ts'
import { parseWav } from '../../src/demo/audio/wav.ts'

/** Debian's asterisk-core-sounds-<language>-wav: recorded voices of five languages. */
const SOUNDS = '/usr/share/asterisk/sounds'
export const VOICES = [
  'en_US_f_Allison',
  'es_MX_f_Allison',
  'fr_CA_f_June',
  'it_IT_m_Carlo',
  'ru_RU_f_IvrvoiceRU',
] as const
export type VoiceName = (typeof VOICES)[number]

/** Tones, bells and monkeys among the prompts are no voices. */
const NO_SPEECH = /tone|beep|ring|dtmf|silence|busy|buzz|monkeys|weasels|doorbell/

const RATE_HZ = 8_000

/** Pauses are cut to this, so that talk-over talks over most of the keys. */
const PAUSE_SAMPLES_MAX = 0.15 * RATE_HZ
/** 16-bit G.711 units; below is room noise. */
const QUIET = 100

/** Speech to talk with: 16-bit samples at 8 kHz, and how loud it is while somebody speaks. */
export type Voice = { readonly name: VoiceName; readonly samples: Int16Array; readonly activeRms: number }

/** Every prompt of a voice, one by one, as it was recorded. */
export function* promptsOf(name: VoiceName): Generator<Int16Array> {
  const folder = join(SOUNDS, name)
  if (!existsSync(folder)) throw new Error('the recorded voices are missing: run the bench with npm, it installs them')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.wav'))
  for (const file of files.sort()) {
    if (NO_SPEECH.test(file)) continue
    const wav = parseWav(readFileSync(join(folder, file)))
    if (wav !== undefined) yield resample(wav.samples, { fromHz: wav.rateHz, toHz: RATE_HZ })
  }
}

/** Up to so many seconds of each voice, spread over its prompts, with long pauses cut short. */
export function loadVoices(options: { readonly secondsMax: number }): readonly Voice[] {
  return VOICES.map((name) => {
    const samples = new Int16Array(options.secondsMax * RATE_HZ)
    let filled = 0
    for (const prompt of promptsOf(name)) {
      let quiet = 0
      for (const sample of prompt) {
        quiet = Math.abs(sample) < QUIET ? quiet + 1 : 0
        if (quiet > PAUSE_SAMPLES_MAX || filled === samples.length) continue
        samples[filled] = sample
        filled += 1
      }
      if (filled === samples.length) break
    }
    return { name, samples: samples.subarray(0, filled), activeRms: activeRms(samples.subarray(0, filled)) }
  })
}

function activeRms(samples: Int16Array): number {
  let energy = 0
  let active = 1
  for (const sample of samples) {
    if (Math.abs(sample) < QUIET) continue
    energy += sample * sample
    active += 1
  }
  return Math.sqrt(energy / active)
}
