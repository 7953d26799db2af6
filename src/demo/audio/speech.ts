import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { runBounded } from '../bounded-run.ts'
import type { SpeechChoice } from '../phone/phone-protocol.ts'
import { resample } from './resampler.ts'
import { seededRandom } from './seeded-random.ts'
import { parseWav } from './wav.ts'

export type Speech =
  | { readonly kind: 'speech'; readonly source: 'recorded' | 'espeak'; readonly samples: Int16Array }
  | { readonly kind: 'missing'; readonly code: 'speech_missing'; readonly packages: readonly string[] }

/** Where Debian's asterisk-core-sounds-en-wav puts its recorded prompts. */
export const PROMPTS_FOLDER = '/usr/share/asterisk/sounds/en'

/** Either of these Debian packages brings a voice. */
export const SPEECH_PACKAGES = ['asterisk-core-sounds-en-wav', 'espeak-ng'] as const

/** Speech before it repeats: longer than any window, short enough to load in a moment. */
const SPEECH_MS = 40_000

/** Whole sentences: 1.5 to 8 s of 8 kHz 16-bit audio. */
const PROMPT_BYTES_MIN = 24_000
const PROMPT_BYTES_MAX = 128_000

/** Active speech level: about -20 dBm0, a usual telephone talker. */
const ACTIVE_RMS = 2_200
const ACTIVE_FLOOR = 300

const ESPEAK_DEADLINE_MS = 10_000

/**
 * 8 kHz speech for one side of a call, alike for alike voice and seed: recorded prompts with pauses between them,
 * or sentences of espeak-ng where there are no recordings.
 */
export async function loadSpeech(choice: SpeechChoice, promptsFolder: string = PROMPTS_FOLDER): Promise<Speech> {
  const random = seededRandom(choice.seed * 2 + (choice.voice === 'payer' ? 0 : 1))
  const recorded = await recordedPrompts(promptsFolder, random)
  if (recorded !== undefined) return { kind: 'speech', source: 'recorded', samples: joined(recorded, random) }
  const spoken = await spokenSentences(choice.voice, random)
  if (spoken !== undefined) return { kind: 'speech', source: 'espeak', samples: joined(spoken, random) }
  return { kind: 'missing', code: 'speech_missing', packages: SPEECH_PACKAGES }
}

async function recordedPrompts(folder: string, random: () => number): Promise<readonly Int16Array[] | undefined> {
  const names = await readdir(folder).catch(() => [])
  const wanted = shuffled(names.filter((name) => name.endsWith('.wav')).sort(), random)
  const prompts: Int16Array[] = []
  let samples = 0
  for (const name of wanted) {
    if (samples >= SPEECH_MS * 8) break
    const path = join(folder, name)
    const { size } = await stat(path)
    if (size < PROMPT_BYTES_MIN || size > PROMPT_BYTES_MAX) continue
    const wav = parseWav(await readFile(path))
    if (wav === undefined) continue
    const prompt = resample(wav.samples, { fromHz: wav.rateHz, toHz: 8_000 })
    prompts.push(prompt)
    samples += prompt.length
  }
  return prompts.length === 0 ? undefined : prompts
}

const SENTENCES = [
  'Good morning, I would like to pay the invoice that came with the letter last week.',
  'Certainly, I can take that payment for you now over the telephone.',
  'Please tell me when you are ready to enter the number.',
  'The amount on my statement is a little different from the one you mention.',
  'Let me look at that, it will only take me a moment.',
  'Thank you, that is very kind of you.',
  'Is there anything else that I can help you with today?',
  'I moved house in the spring, so the old address may still be in your books.',
] as const

async function spokenSentences(
  voice: SpeechChoice['voice'],
  random: () => number,
): Promise<readonly Int16Array[] | undefined> {
  const prompts: Int16Array[] = []
  for (const sentence of shuffled(SENTENCES, random)) {
    const run = await runBounded({
      program: 'espeak-ng',
      arguments: ['-v', voice === 'payer' ? 'en-us' : 'en-gb', '--stdout', sentence],
      deadlineMs: ESPEAK_DEADLINE_MS,
    })
    if (run.kind === 'failed') return undefined
    const wav = parseWav(run.output)
    if (wav === undefined) return undefined
    prompts.push(resample(wav.samples, { fromHz: wav.rateHz, toHz: 8_000 }))
  }
  return prompts
}

function joined(prompts: readonly Int16Array[], random: () => number): Int16Array {
  const parts = prompts.flatMap((prompt) => [levelled(prompt), new Int16Array(Math.round((300 + random() * 600) * 8))])
  const out = new Int16Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

function levelled(samples: Int16Array): Int16Array {
  const active = samples.filter((sample) => Math.abs(sample) > ACTIVE_FLOOR)
  const rms = Math.sqrt(active.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, active.length))
  const gain = rms === 0 ? 1 : ACTIVE_RMS / rms
  return samples.map((sample) => Math.max(-32_768, Math.min(32_767, Math.round(sample * gain))))
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((first, second) => first.rank - second.rank)
    .map(({ item }) => item)
}
