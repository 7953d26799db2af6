import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ensureDevelopmentSecrets, readSecret } from '../../src/main/development-secrets.ts'
import { loadChanged } from '../fakes/changed-configuration.ts'

function site(folder: string, changes: Readonly<Record<string, unknown>> = {}) {
  const loaded = loadChanged(folder, { dataFolder: 'data', ...changes })
  if (loaded.kind === 'refused') throw new Error('the changed configuration was refused')
  return loaded.configuration
}

t.test('missing secrets are made once, each its own, for this user only', (t) => {
  const configuration = site(t.testdir())
  t.same(ensureDevelopmentSecrets(configuration), [])
  const files = [configuration.sip.secretFile, ...configuration.desk.agents.map(({ tokenFile }) => tokenFile)]
  const secrets = files.map(readSecret)
  t.equal(new Set(secrets).size, 3)
  for (const [index, file] of files.entries()) {
    t.match(secrets[index], /^[\w-]{43}$/)
    t.equal(statSync(file).mode & 0o777, 0o600)
  }
  t.same(ensureDevelopmentSecrets(configuration), [])
  t.same(files.map(readSecret), secrets, 'a second start keeps them')
  t.end()
})

t.test('a secret that others can read, or that is none, is refused and left alone', (t) => {
  const configuration = site(t.testdir())
  ensureDevelopmentSecrets(configuration)
  const [agent] = configuration.desk.agents
  const file = agent?.tokenFile ?? ''
  chmodSync(file, 0o644)
  t.same(ensureDevelopmentSecrets(configuration), [{ file, problem: 'can be read by others: chmod 600' }])
  chmodSync(file, 0o600)
  writeFileSync(file, 'short\n')
  t.match(ensureDevelopmentSecrets(configuration), [{ file, problem: /16 characters/ }])
  t.equal(readFileSync(file, 'utf8'), 'short\n')
  t.end()
})

t.test('nothing is made outside the data folder', (t) => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'etc'))
  const file = join(folder, 'etc/secret')
  writeFileSync(file, 'there at the check\n', { mode: 0o600 })
  const configuration = site(folder, { 'sip.secretFile': 'etc/secret' })
  const moved = { ...configuration, sip: { ...configuration.sip, secretFile: `${file}.gone` } }
  t.same(ensureDevelopmentSecrets(moved), [{ file: `${file}.gone`, problem: 'is missing' }])
  t.end()
})
