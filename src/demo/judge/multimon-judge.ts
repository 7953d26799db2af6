import { resample } from '../audio/resampler.ts'
import { runBounded } from '../bounded-run.ts'
import type { Recording } from './recording.ts'

export type MultimonReading =
  | { readonly kind: 'read'; readonly keys: string }
  | { readonly kind: 'unavailable'; readonly code: 'multimon_missing' | 'multimon_failed'; readonly package: string }

/** What multimon-ng reads without being told otherwise. */
const MULTIMON_RATE_HZ = 22_050

/** It reads an hour of audio in seconds; a minute is generous on a busy machine. */
const DEADLINE_MS = 60_000

/** Silence at the end, so that its last block is full and the last key is let go. */
const TAIL_SAMPLES = MULTIMON_RATE_HZ

/** Gives a recording to multimon-ng, a receiver that we did not write, and returns the keys in the order it read. */
export async function readMultimon(recording: Recording): Promise<MultimonReading> {
  const samples = resample(recording.samples, { fromHz: 8_000, toHz: MULTIMON_RATE_HZ })
  const input = Buffer.alloc((samples.length + TAIL_SAMPLES) * 2)
  for (const [index, sample] of samples.entries()) input.writeInt16LE(sample, index * 2)
  const run = await runBounded({
    program: 'multimon-ng',
    arguments: ['-q', '-a', 'DTMF', '-t', 'raw', '-'],
    input,
    deadlineMs: DEADLINE_MS,
  })
  if (run.kind === 'failed') {
    const code = run.code === 'program_missing' ? 'multimon_missing' : 'multimon_failed'
    return { kind: 'unavailable', code, package: 'multimon-ng' }
  }
  const keys = [...run.output.toString('latin1').matchAll(/DTMF: ([0-9A-D*#])/g)].map((found) => found[1])
  return { kind: 'read', keys: keys.join('') }
}
