import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, INSTALLATION, loadConfiguration } from '../../src/main/configuration.ts'
import { roleCommand } from '../../src/main/role-command.ts'
import type { RoleName } from '../../src/main/role-name.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { configuration } = loaded

const command = (role: RoleName): readonly string[] =>
  roleCommand({ role, name: role, configurationFile: DEFAULT_CONFIGURATION_FILE, configuration })

/** Runs a script as the role would run: with its flags, and no main.ts. */
function runAs(role: RoleName, script: string): string {
  const given = command(role)
  const flags = given.slice(0, given.indexOf(join(INSTALLATION, 'src/main.ts')))
  // As the supervisor does: nothing of this process's environment, in which a test runner keeps options for Node.
  const program = [process.execPath, ...flags, '--input-type=module', '--eval', script]
  return spawnSync('env', ['-i', `PATH=${process.env['PATH'] ?? ''}`, ...program], { encoding: 'utf8' }).stdout
}

const attempt = (action: string): string =>
  `try { ${action}; console.log('done') } catch (error) { console.log(error.code) }`

t.test('a role is told its configuration and name, and its inspector stays shut', (t) => {
  const given = command('guard')
  t.equal(given[0], '--disable-sigusr1')
  t.same(given.slice(-6), ['run', 'guard', '--config', DEFAULT_CONFIGURATION_FILE, '--name', 'guard'])
  t.end()
})

t.test('the sbc writes where call records go, and nowhere else', (t) => {
  const folder = t.testdir({ calls: {} })
  const given = roleCommand({
    role: 'sbc',
    name: 'sbc',
    configurationFile: DEFAULT_CONFIGURATION_FILE,
    configuration: { ...configuration, callRecords: join(folder, 'calls') },
  })
  t.same(
    given.filter((flag) => flag.startsWith('--allow-fs-write')),
    [`--allow-fs-write=${join(folder, 'calls')}`],
  )
  for (const role of ['guard', 'sipd', 'desk'] as const)
    t.notOk(command(role).some((flag) => flag.startsWith('--allow-fs-write')))
  t.end()
})

t.test('sipd reads the files of TLS, the sbc the passwords of its trunks', (t) => {
  const [trunk] = configuration.trunks
  if (trunk === undefined) throw new Error('there is a trunk')
  const files = { certificate: '/x/sip.crt', key: '/x/sip.key', authority: '/x/peers.crt' }
  const tls = { addresses: [], ...files, mutual: true, wildcards: false, revoked: null }
  const password = (name: string) => ({ user: 'tonewall', passwordFile: `/x/${name}` })
  const changed = {
    ...configuration,
    sip: { ...configuration.sip, tls },
    trunks: [{ ...trunk, credentials: password('ours'), authentication: { realm: 'a', users: [password('theirs')] } }],
  }
  const granted = (role: RoleName): readonly string[] =>
    roleCommand({ role, name: role, configurationFile: DEFAULT_CONFIGURATION_FILE, configuration: changed }).flatMap(
      (flag) => /^--allow-fs-read=(\/x\/.*)$/.exec(flag)?.[1] ?? [],
    )
  t.same(granted('sipd'), ['/x/sip.crt', '/x/sip.key', '/x/peers.crt'])
  t.same(granted('sbc'), ['/x/ours', '/x/theirs'])
  t.same([...granted('guard'), ...granted('desk')], [])
  t.end()
})

t.test('guard, sbc, sipd and desk write no file, start no program and load no native code', (t) => {
  const folder = t.testdir()
  for (const role of ['guard', 'sbc', 'sipd', 'desk'] as const) {
    const file = JSON.stringify(join(folder, role))
    t.equal(
      runAs(role, `import fs from 'node:fs'\n${attempt(`fs.writeFileSync(${file}, 'x')`)}`),
      'ERR_ACCESS_DENIED\n',
    )
    t.equal(
      runAs(role, `import { spawnSync } from 'node:child_process'\n${attempt(`spawnSync('true')`)}`),
      'ERR_ACCESS_DENIED\n',
    )
    t.equal(
      runAs(
        role,
        `import { Worker } from 'node:worker_threads'\n${attempt(`new Worker(new URL('data:text/javascript,0'))`)}`,
      ),
      'ERR_ACCESS_DENIED\n',
    )
  }
  t.end()
})

t.test('a role reads its own key and nobody else’s, and no data of the vault', (t) => {
  const granted = (role: RoleName): readonly string[] =>
    command(role).flatMap((flag) => /^--allow-fs-read=(.*)$/.exec(flag)?.[1] ?? [])
  const { certificates, sip, desk, dataFolder } = configuration
  for (const role of ['guard', 'sbc', 'sipd', 'desk'] as const) {
    const keys = granted(role).filter((file) => file.startsWith(certificates.folder) && file.endsWith('.key'))
    t.same(keys, [join(certificates.folder, `${role}.key`)])
    t.equal(granted(role).includes(sip.secretFile), role === 'sbc' || role === 'sipd')
    t.equal(granted(role).includes(desk.agents[0]?.tokenFile ?? ''), role === 'desk')
    t.equal(
      granted(role).some((file) => [dataFolder, INSTALLATION, '/'].includes(file)),
      false,
    )
  }
  t.end()
})
