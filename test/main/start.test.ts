import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { processGone } from '../fakes/process-gone.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
/** The supervisor's own limit is 5 s; the rest is for a noisy machine. */
const ENDED_MS_MAX = 10_000

/** Starts a site by the command line, without a call, and waits until it runs. */
async function startSite(
  t: Test,
): Promise<{ readonly child: ChildProcess; readonly lines: string[]; readonly pids: number[] }> {
  const { file } = await writeTestConfiguration({ folder: t.testdir(), certificates: sharedCertificates(), guards: 1 })
  const child = spawn(process.execPath, ['--disable-sigusr1', MAIN, 'start', '--no-call', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  const running = Promise.withResolvers<undefined>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    if (line.startsWith('Running.')) running.resolve(undefined)
  })
  await Promise.race([running.promise, once(child, 'exit')])
  const pids = lines
    .flatMap((line) => Number(/\(process (\d+)\)$/.exec(line)?.[1] ?? Number.NaN))
    .filter(Number.isInteger)
  return { child, lines, pids }
}

t.test('Ctrl-C, heard twice at once as npm passes it on, ends every process in order', async (t) => {
  const { child, lines, pids } = await startSite(t)
  t.equal(pids.length, 6)
  t.ok(lines.some((line) => line.startsWith('SIP listens on udp 127.0.0.1:')))
  t.ok(lines.some((line) => line.startsWith("The agents' page is at http://127.0.0.1:")))
  const exited = once(child, 'exit')
  child.kill('SIGINT')
  child.kill('SIGINT')
  t.same(await exited, [0, null])
  for (const pid of pids) t.equal(await processGone(pid, { deadlineMs: 1_000 }), true)
  t.equal(lines.at(-1), 'Ended.')
})

t.test('when the supervisor is killed, nothing is left running', async (t) => {
  const { child, pids } = await startSite(t)
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
  for (const pid of pids) t.equal(await processGone(pid, { deadlineMs: ENDED_MS_MAX }), true)
})
