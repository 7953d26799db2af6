import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { KEYS } from '../scenario.ts'
import { stretchOf, verdictOf, type HeardCall, type Judge, type Verdict } from './judge.ts'

/** An answer takes milliseconds; a busy machine may make it seconds. */
const ANSWER_MS_MAX = 60_000

/** spandsp's receiver, which we did not write either: a key counts as read when its digit is among those of its stretch. */
export function spandspJudge(): Judge {
  const child = spawn(process.execPath, ['--no-warnings', join(import.meta.dirname, 'spandsp-process.ts')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let answers = Buffer.alloc(0)
  let hits = 0
  let keys = 0
  let ended = false
  let wake = (): void => undefined
  child.once('error', () => {
    ended = true
    wake()
  })
  child.once('exit', () => {
    ended = true
    wake()
  })
  child.stdin.on('error', () => undefined)
  child.stdout.on('data', (chunk: Buffer) => {
    answers = Buffer.concat([answers, chunk])
    wake()
  })
  const answer = async (): Promise<string> => {
    for (;;) {
      const length = answers[0]
      if (length !== undefined && answers.length > length) {
        const text = answers.toString('latin1', 1, 1 + length)
        answers = answers.subarray(1 + length)
        return text
      }
      if (ended) throw new Error('the process with spandsp has ended: is libspandsp2 installed?')
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('the process with spandsp does not answer')), ANSWER_MS_MAX)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  return {
    async hear(call: HeardCall): Promise<void> {
      const frames = call.presses.map((_press, index) => frame(stretchOf(call, index)))
      child.stdin.write(Buffer.concat(frames))
      for (const { key } of call.presses) {
        const text = await answer()
        keys += 1
        if (text.includes(KEYS[key] ?? '?')) hits += 1
      }
    },
    verdict: (): Verdict => verdictOf(hits, keys),
    close: () => {
      child.kill('SIGKILL')
    },
  }
}

function frame(samples: Int16Array): Buffer {
  const out = Buffer.allocUnsafe(4 + samples.length * 2)
  out.writeUInt32LE(samples.length, 0)
  Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength).copy(out, 4)
  return out
}
