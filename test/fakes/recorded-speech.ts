import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from './seeded-random.ts'

/** Debian's asterisk-core-sounds-<language>-wav: real voices, 8 kHz, 16 bit. */
const SOUNDS = '/usr/share/asterisk/sounds'

/** What is no speech among the prompts. */
const NO_SPEECH = /tone|beep|ring|dtmf|silence|busy|buzz|monkeys|weasels|doorbell/

/** A RIFF header of 44 bytes; the files of these packages have no other chunks before the data. */
const WAV_HEADER_BYTES = 44

export type Speech = { readonly samples: Int16Array; readonly source: 'recorded' | 'synthetic' }

/** Up to this many seconds of prompts, or, where they are not installed, of noise shaped like speech. */
export function recordedSpeech(options: { readonly secondsMax: number; readonly folder?: string }): Speech {
  const folder = options.folder ?? join(SOUNDS, 'en')
  const samples = new Int16Array(options.secondsMax * 8000)
  if (!existsSync(folder)) return { samples: syntheticSpeech(samples), source: 'synthetic' }
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.wav') && !NO_SPEECH.test(name))
    .sort()
  let filled = 0
  for (const name of names) {
    const bytes = readFileSync(join(folder, name)).subarray(WAV_HEADER_BYTES)
    for (let at = 0; at + 1 < bytes.length && filled < samples.length; at += 2) {
      samples[filled] = bytes.readInt16LE(at)
      filled += 1
    }
  }
  if (filled === 0) return { samples: syntheticSpeech(samples), source: 'synthetic' }
  return { samples: samples.subarray(0, filled), source: 'recorded' }
}

/** Pulses of a gliding pitch through three resonances that change every 80 to 200 ms, with pauses between. */
function syntheticSpeech(samples: Int16Array): Int16Array {
  const random = seededRandom(1876)
  let at = 0
  let phase = 0
  while (at < samples.length) {
    const end = Math.min(samples.length, at + 640 + random.below(960))
    const voiced = random.next() < 0.7
    const loud = random.next() < 0.2 ? 0 : 0.3 + random.next()
    const pitch = 90 + random.below(160)
    const glide = random.gaussian() * 0.00003
    const resonances = [250 + random.below(600), 900 + random.below(1300), 2200 + random.below(800)].map((hz) => {
      const radius = Math.exp((-Math.PI * 90) / 8000)
      return { a1: 2 * radius * Math.cos((2 * Math.PI * hz) / 8000), a2: -radius * radius, y1: 0, y2: 0 }
    })
    for (let n = 0; at < end; n += 1, at += 1) {
      phase += (pitch * (1 + glide * n)) / 8000
      const pulse = phase >= 1
      if (pulse) phase -= 1
      const excitation = voiced ? (pulse ? 3000 : 0) : random.gaussian() * 200
      let sum = 0
      for (const resonance of resonances) {
        const y = excitation + resonance.a1 * resonance.y1 + resonance.a2 * resonance.y2
        resonance.y2 = resonance.y1
        resonance.y1 = y
        sum += y
      }
      samples[at] = Math.max(-32000, Math.min(32000, Math.round(sum * loud * 0.3 + random.gaussian() * 10)))
    }
  }
  return samples
}
