import { runBounded } from '../../../src/demo/bounded-run.ts'
import { KEYS } from '../scenario.ts'
import { stretchOf, verdictOf, type HeardCall, type Judge, type Verdict } from './judge.ts'
import { Upsampler } from './upsampler.ts'

/** What multimon-ng reads without being told otherwise. */
const RATE_HZ = 22_050

/** Between two keys' stretches a pair that no payer has, so that each reading falls to its key: silence, A, silence, D, silence. */
const MARKER = /AD/
const MARKER_TONE_MS = 70
const MARKER_SILENCE_MS = 50

/** It reads an hour of audio in a second; this is generous on a busy machine. */
const DEADLINE_MS = 60_000
/** Twenty megabytes a run or so. */
const SAMPLES_A_RUN = 10_000_000

/** multimon-ng, a receiver that we did not write: a key counts as read when its digit is among those of its stretch. */
export function multimonJudge(): Judge {
  const marker = markerSamples()
  const upsampler = new Upsampler()
  let stretches: { readonly key: number; readonly samples: Int16Array }[] = []
  let held = 0
  let hits = 0
  let keys = 0
  const run = async (): Promise<void> => {
    hits += await readAll(stretches, marker)
    keys += stretches.length
    stretches = []
    held = 0
  }
  return {
    async hear(call: HeardCall): Promise<void> {
      for (const [index, press] of call.presses.entries()) {
        const samples = upsampler.to22050(stretchOf(call, index))
        stretches.push({ key: press.key, samples })
        held += samples.length + marker.length
      }
      if (held > SAMPLES_A_RUN) await run()
    },
    async verdict(): Promise<Verdict> {
      if (stretches.length > 0) await run()
      return verdictOf(hits, keys)
    },
    close: () => undefined,
  }
}

async function readAll(
  stretches: readonly { readonly key: number; readonly samples: Int16Array }[],
  marker: Int16Array,
): Promise<number> {
  if (stretches.length === 0) return 0
  const length = stretches.reduce((sum, { samples }) => sum + samples.length + marker.length, RATE_HZ)
  const stream = new Int16Array(length)
  let at = 0
  for (const { samples } of stretches) {
    stream.set(samples, at)
    stream.set(marker, at + samples.length)
    at += samples.length + marker.length
  }
  const run = await runBounded({
    program: 'multimon-ng',
    arguments: ['-q', '-a', 'DTMF', '-t', 'raw', '-'],
    input: Buffer.from(stream.buffer),
    deadlineMs: DEADLINE_MS,
  })
  if (run.kind === 'failed') throw new Error('multimon-ng did not run')
  const text = [...run.output.toString('latin1').matchAll(/DTMF: ([0-9A-D*#])/g)].map((found) => found[1]).join('')
  const readings = text.split(MARKER)
  if (readings.length === stretches.length + 1) {
    return stretches.filter(({ key }, index) => readings[index]?.includes(KEYS[key] ?? '?')).length
  }
  // A marker was lost or made up by what stood beside it: halve until it is alone. Alone, anything counts.
  if (stretches.length === 1) return text.includes(KEYS[stretches[0]?.key ?? 0] ?? '?') ? 1 : 0
  const half = stretches.length >> 1
  return (await readAll(stretches.slice(0, half), marker)) + (await readAll(stretches.slice(half), marker))
}

function markerSamples(): Int16Array {
  const silence = Math.round((MARKER_SILENCE_MS * RATE_HZ) / 1_000)
  const tone = Math.round((MARKER_TONE_MS * RATE_HZ) / 1_000)
  const out = new Int16Array(3 * silence + 2 * tone)
  for (const [index, rowHz] of [697, 941].entries()) {
    const from = silence + index * (silence + tone)
    for (let n = 0; n < tone; n += 1) {
      const angle = (2 * Math.PI * n) / RATE_HZ
      out[from + n] = Math.round(6_000 * (Math.sin(angle * rowHz) + Math.sin(angle * 1_633)))
    }
  }
  return out
}
