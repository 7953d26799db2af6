import t from 'tap'
import { runBounded } from '../../src/demo/bounded-run.ts'

t.test('a program gets its input and gives its output', async (t) => {
  const run = await runBounded({ program: 'cat', arguments: [], input: Buffer.from('hello'), deadlineMs: 5_000 })
  t.same(run, { kind: 'ran', output: Buffer.from('hello') })
})

t.test('a program that is missing, fails or takes too long is told apart', async (t) => {
  const run = (program: string, args: readonly string[], deadlineMs = 5_000) =>
    runBounded({ program, arguments: args, deadlineMs })
  t.same(await run('no-such-program-here', []), { kind: 'failed', code: 'program_missing' })
  t.same(await run('false', []), { kind: 'failed', code: 'program_failed' })
  t.same(await run('sleep', ['20'], 50), { kind: 'failed', code: 'program_slow' })
})
