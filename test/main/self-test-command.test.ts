import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/kit/log.ts'
import { CallDirectory } from '../../src/sbc/call-directory.ts'
import { CallJournal } from '../../src/sbc/call-journal.ts'
import { DeskServer } from '../../src/sbc/desk-server.ts'
import { OperatorAnswers } from '../../src/sbc/operator-answers.ts'
import type { SelfTestSchedule } from '../../src/sbc/self-test-schedule.ts'
import { loadConfiguration, DEFAULT_CONFIGURATION_FILE } from '../../src/main/configuration.ts'
import { runSelfTestCommand, type SelfTestCommand } from '../../src/main/self-test-command.ts'
import type { Configuration } from '../../src/wire/configuration.ts'
import type { SelfTestResult } from '../../src/wire/self-test-protocol.ts'
import { freePort } from '../fakes/free-port.ts'
import { sharedCertificates, sharedIdentity } from '../fakes/shared-certificates.ts'

const RESULT: SelfTestResult = {
  guard: 'guard-1',
  rtpengine: 'media-1',
  code: 'ok',
  inService: true,
  keysRead: 0,
  delayMs: 42,
  durationMs: 3_312,
  atMs: 1_800_000_000_000,
}

function configurationWith(sbcPort: number, folder = sharedCertificates()): Configuration {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
  return {
    ...loaded.configuration,
    certificates: { folder, development: false, revoked: null },
    sbc: { host: '127.0.0.1', port: sbcPort },
  }
}

async function run(configuration: Configuration, more: Partial<SelfTestCommand> = {}) {
  const said: string[] = []
  const written: string[] = []
  const code = await runSelfTestCommand(
    { kind: 'selftest', configurationFile: '', guard: null, json: null, ...more },
    configuration,
    { say: (line) => said.push(line), write: (text) => written.push(text) },
  )
  return { code, said: said.join('\n'), written: written.join('') }
}

async function sbc(t: Test, now: SelfTestSchedule['now']): Promise<number> {
  const server = new DeskServer({
    directory: new CallDirectory(),
    selfTests: { now },
    operators: new OperatorAnswers({
      journal: new CallJournal({ dateMs: () => Date.now(), finished: () => undefined }),
    }),
  })
  const logger = createLogger({ role: 'test', level: 'silent' })
  await server.listen({ host: '127.0.0.1', port: 0, identity: sharedIdentity('sbc'), logger })
  t.teardown(() => server.close())
  return server.port
}

t.test('all guards passed: a table, exit code 0, and JSON where asked', async (t) => {
  const asked: (string | null)[] = []
  const port = await sbc(t, (guard) => {
    asked.push(guard)
    return Promise.resolve([RESULT])
  })
  const configuration = configurationWith(port)
  const all = await run(configuration, { json: '-' })
  t.equal(all.code, 0)
  t.match(all.said, /guard-1 +media-1 +ok/)
  t.same(JSON.parse(all.written), { ok: true, results: [RESULT] })
  const file = join(t.testdir(), 'out.json')
  t.equal((await run(configuration, { guard: 'guard-1', json: file })).code, 0)
  t.match(JSON.parse(readFileSync(file, 'utf8')), { ok: true })
  t.same(asked, [null, 'guard-1'])
  t.match(await run(configuration, { json: '/nowhere/out.json' }), { code: 1, said: /cannot be written: ENOENT/ })
})

t.test('one that failed makes it exit 1, and says what to do', async (t) => {
  const port = await sbc(t, () =>
    Promise.resolve([RESULT, { ...RESULT, guard: 'guard-2', code: 'leaked', inService: false }]),
  )
  const { code, said } = await run(configurationWith(port))
  t.equal(code, 1)
  t.match(said, /guard-2: a key could be read/)
})

t.test('no guard, an unknown one, or another operator at it is not a success', async (t) => {
  const answers: Awaited<ReturnType<SelfTestSchedule['now']>>[] = [[], 'unknown_guard', 'busy']
  const port = await sbc(t, () => Promise.resolve(answers.shift() ?? []))
  const configuration = configurationWith(port)
  t.match(await run(configuration), { code: 1, said: /no guard to test/ })
  t.match(await run(configuration, { guard: 'guard-9' }), { code: 1, said: /no guard guard-9\. It is one of: guard-1/ })
  t.match(await run(configuration), { code: 1, said: /Somebody else/ })
})

t.test('what is missing is named: the certificate, the site, the authority', async (t) => {
  const empty = t.testdir()
  t.match(await run(configurationWith(1, empty)), {
    code: 1,
    said: /certificate cannot be read \(ENOENT\).*operator\.key/,
  })
  t.match(await run(configurationWith(await freePort())), { code: 1, said: /^No sbc answers at 127\.0\.0\.1:/ })
  const stranger = createServer((socket) => socket.destroy())
  stranger.listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const address = stranger.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  t.match(await run(configurationWith(port)), { code: 1, said: /does not take the operator's certificate/ })
  stranger.close()
})
