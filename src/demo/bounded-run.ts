import { spawn } from 'node:child_process'

export type BoundedRun =
  | { readonly kind: 'ran'; readonly output: Buffer }
  | {
      readonly kind: 'failed'
      readonly code: 'program_missing' | 'program_failed' | 'program_slow' | 'output_too_long'
    }

/** More output than an hour of 16-bit audio at 22 kHz means that the program has gone wrong. */
const OUTPUT_BYTES_MAX = 22_050 * 2 * 3_600

/** Runs one foreign program with a deadline, writes its input and gathers its output; ends only this program. */
export function runBounded(options: {
  readonly program: string
  readonly arguments: readonly string[]
  readonly input?: Buffer
  readonly deadlineMs: number
}): Promise<BoundedRun> {
  return new Promise((resolve) => {
    const child = spawn(options.program, options.arguments, { stdio: ['pipe', 'pipe', 'ignore'] })
    const chunks: Buffer[] = []
    let bytes = 0
    let settled = false
    const settle = (result: BoundedRun): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      child.kill('SIGKILL')
      resolve(result)
    }
    const timer = setTimeout(() => settle({ kind: 'failed', code: 'program_slow' }), options.deadlineMs)
    child.once('error', () => settle({ kind: 'failed', code: 'program_missing' }))
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > OUTPUT_BYTES_MAX) settle({ kind: 'failed', code: 'output_too_long' })
      else chunks.push(chunk)
    })
    child.once('close', (code) => {
      if (code === 0) settle({ kind: 'ran', output: Buffer.concat(chunks) })
      else settle({ kind: 'failed', code: 'program_failed' })
    })
    // A program that ends before it has read everything breaks the pipe; its exit code says what matters.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input)
  })
}
