import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { INSTALLATION } from '../../src/main/configuration.ts'
import { ensureDevelopmentSecrets } from '../../src/main/development-secrets.ts'
import { becomeRestricted, hasFlags } from '../../src/main/restricted-runtime.ts'
import { eventually } from '../fakes/eventually.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

const START_MS_MAX = 30_000

t.test('flags are there when each of them is, whatever else is', (t) => {
  const command = ['--permission', '--allow-net', `${INSTALLATION}/src/main.ts`, 'run', 'desk']
  t.equal(hasFlags(command, ['--allow-net', '--other', '--permission']), true)
  t.equal(hasFlags(command, ['--permission']), false)
  t.equal(hasFlags([`${INSTALLATION}/src/main.ts`], []), true)
  becomeRestricted([`${INSTALLATION}/src/main.ts`])
  t.pass('nothing happens then')
  t.end()
})

t.test(
  'a role that is started by a plain command gives itself the flags of its role, and keeps no environment',
  async (t) => {
    const { file, configuration } = await writeTestConfiguration({
      folder: t.testdir(),
      certificates: sharedCertificates(),
      guards: 1,
    })
    ensureDevelopmentSecrets(configuration)
    const main = resolve(import.meta.dirname, '../../src/main.ts')
    const child = spawn(process.execPath, [main, 'run', 'guard', '--config', file], {
      env: { PATH: process.env['PATH'], A_SECRET: 'x' },
      stdio: 'ignore',
    })
    t.teardown(() => child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    const metrics = `http://127.0.0.1:${configuration.guards[0]?.metricsPort ?? 0}/metrics`
    const isUp = (): Promise<boolean> =>
      fetch(metrics, { signal: AbortSignal.timeout(1_000) }).then(
        ({ ok }) => ok,
        () => false,
      )
    await eventually(isUp, START_MS_MAX)
    const read = (name: string): readonly string[] =>
      readFileSync(`/proc/${child.pid ?? 0}/${name}`, 'utf8').split('\0')
    for (const flag of ['--permission', '--disable-sigusr1', '--max-semi-space-size=64'])
      t.ok(read('cmdline').includes(flag), flag)
    t.notOk(read('cmdline').some((word) => word.startsWith('--allow-fs-write')))
    t.notMatch(read('environ').join(), /A_SECRET/)
    child.kill('SIGTERM')
    t.same(await exited, [0, null], 'it is the same process')
  },
)

t.test('what cannot be found is said as before', (t) => {
  const main = resolve(import.meta.dirname, '../../src/main.ts')
  const { status, stderr } = spawnSync(process.execPath, [main, 'run', 'desk', '--config', '/nowhere.yaml'], {
    encoding: 'utf8',
  })
  t.match({ status, stderr }, { status: 1, stderr: /nowhere\.yaml/ })
  t.end()
})
