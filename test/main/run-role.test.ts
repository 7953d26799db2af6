import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { ensureDevelopmentSecrets } from '../../src/main/development-secrets.ts'
import { processGone } from '../fakes/process-gone.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')
const ENDED_MS_MAX = 15_000

/** Starts one role as the supervisor does, with IPC, and nothing else of the site. */
async function startRole(t: Test, role: string, edit: (child: ChildProcess) => void = () => undefined) {
  const { file, configuration } = await writeTestConfiguration({
    folder: t.testdir(),
    certificates: sharedCertificates(),
    guards: 1,
  })
  ensureDevelopmentSecrets(configuration)
  const child = spawn(process.execPath, [MAIN, 'run', role, '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  edit(child)
  const [first] = (await once(child, 'message')) as [unknown]
  return { child, first, exited, file, configuration }
}

t.test('a role says that it is ready, answers pings, and ends when it is asked', async (t) => {
  const { child, first, exited } = await startRole(t, 'vault')
  t.same(first, { type: 'ready', addresses: [] })
  child.send({ type: 'ping' })
  t.same((await once(child, 'message'))[0], { type: 'pong' })
  child.send({ type: 'close' })
  t.same(await exited, [0, null])
})

t.test('a role whose supervisor is gone ends, though nobody reads its log any more', async (t) => {
  for (const role of ['desk', 'vault'] as const) {
    const { child, first } = await startRole(t, role, ({ stdout, stderr }) => {
      stdout?.destroy()
      stderr?.destroy()
    })
    t.match(first, { type: 'ready' })
    child.disconnect()
    t.equal(await processGone(child.pid ?? Number.NaN, { deadlineMs: ENDED_MS_MAX }), true, role)
  }
})

t.test('a port that is taken is told with its number', async (t) => {
  const { file, configuration } = await startRole(t, 'vault')
  const second = spawn(process.execPath, [MAIN, 'run', 'vault', '--config', file], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  t.teardown(() => second.kill('SIGKILL'))
  const exited = once(second, 'exit')
  const [failure] = (await once(second, 'message')) as [unknown]
  t.same(failure, { type: 'failed', code: 'EADDRINUSE', host: '127.0.0.1', port: configuration.vault.port })
  t.same(await exited, [1, null])
})

t.test('SIGTERM ends a role that runs without a supervisor', async (t) => {
  const { child, exited } = await startRole(t, 'sipd')
  child.kill('SIGTERM')
  t.same(await exited, [0, null])
})
