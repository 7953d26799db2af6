import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { listenAddresses } from '../../src/main/listen-address.ts'
import { processPlans } from '../../src/main/process-plan.ts'
import { ROLE_NAMES, type RoleName } from '../../src/main/role-name.ts'
import { roleNeeds } from '../../src/main/role-needs.ts'

const CHECKOUT = resolve(import.meta.dirname, '../..')
const FOLDER = join(CHECKOUT, 'deploy/systemd')
/** systemd-analyze security: 0 is nothing, 10 everything. README names the figures of systemd 252. */
const EXPOSURE_MAX = 1
const PROGRAMS = ['/opt/tonewall/node_modules/node/bin/node', '/usr/bin/rtpengine', '/usr/bin/kill', '/bin/kill']

const UNITS = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.service'))
  .map((name) => name.replace('@.', '@guard-1.'))

/** The units as they are installed, on a machine with nothing but systemd's own and the programs' names. */
function machine(t: Test): string {
  const root = t.testdir()
  const units = join(root, 'etc/systemd/system')
  cpSync(FOLDER, units, { recursive: true })
  cpSync('/lib/systemd/system', join(root, 'lib/systemd/system'), { recursive: true })
  for (const program of PROGRAMS) {
    mkdirSync(dirname(join(root, program)), { recursive: true })
    writeFileSync(join(root, program), '#!/bin/sh\n', { mode: 0o755 })
  }
  return root
}

function analyze(root: string, ...given: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...given, `--root=${root}`], { encoding: 'utf8' })
  return { status, said: `${stdout}${stderr}` }
}

t.test('systemd understands every word of the units', (t) => {
  const root = machine(t)
  t.same(analyze(root, 'verify', 'tonewall.target', ...UNITS), { status: 0, said: '' })
  const file = join(root, 'etc/systemd/system/tonewall-.service.d/10-sandbox.conf')
  writeFileSync(file, readFileSync(file, 'utf8').replace('NoNewPrivileges=', 'NoNewPriviliges='))
  t.match(analyze(root, 'verify', ...UNITS).said, /NoNewPriviliges/, 'and would say which it does not')
  t.end()
})

t.test('the exposure of each unit is as low as README says', (t) => {
  const root = machine(t)
  for (const unit of UNITS) {
    const { status, said } = analyze(root, 'security', '--offline=true', `--threshold=${EXPOSURE_MAX * 10}`, unit)
    const figure = /exposure level for \S+: ([\d.]+)/.exec(said)?.[1] ?? said
    t.ok(status === 0 && Number(figure) <= EXPOSURE_MAX, `${unit}: ${figure}`)
  }
  const bare = join(root, 'etc/systemd/system/bare.service')
  writeFileSync(bare, '[Service]\nExecStart=/usr/bin/rtpengine\n')
  t.not(analyze(root, 'security', '--offline=true', '--threshold=10', 'bare.service').status, 0, 'a bare one fails')
  t.end()
})

t.test('there is a unit for each process of a site, as a user of its own, and one for nothing else', (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
  const kinds = processPlans(loaded.configuration).map(({ program }) =>
    program.kind === 'role' ? program.role : 'rtpengine',
  )
  const found = UNITS.map((unit) => /^tonewall-([a-z]+)/.exec(unit)?.[1] ?? '')
  t.same(found.sort(), [...new Set(kinds)].sort())
  const accounts = readFileSync(join(FOLDER, 'tonewall.sysusers'), 'utf8')
  for (const kind of found) {
    t.match(unitOf(kind), new RegExp(`^User=tonewall-${kind}$`, 'm'))
    t.match(accounts, new RegExp(`^u tonewall-${kind} `, 'm'))
  }
  t.end()
})

t.test('a unit writes what its role needs, and opens the ports that the role listens on', (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
  const { configuration } = loaded
  for (const role of ROLE_NAMES) {
    const unit = unitOf(role)
    const folders = /^StateDirectory=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? []
    const needed = roleNeeds(role, configuration, '').writes.map((folder) =>
      folder.replace(configuration.dataFolder, 'tonewall'),
    )
    t.same(folders, needed, `${role} writes ${needed.join(', ') || 'nothing'}`)
    t.notMatch(unit, /ReadWritePaths|BindPaths/)
    for (const { process, transport, port } of listenAddresses(configuration))
      if (process.replace(/-\d+$/, '') === role)
        t.ok(mayBind(role, transport, port), `${role} opens ${transport} ${port}`)
  }
  t.end()
})

function unitOf(kind: string): string {
  return readFileSync(join(FOLDER, kind === 'guard' ? 'tonewall-guard@.service' : `tonewall-${kind}.service`), 'utf8')
}

function mayBind(role: RoleName, transport: string, port: number): boolean {
  return [...unitOf(role).matchAll(/^SocketBindAllow=(udp|tcp)(?::(\d+)(?:-(\d+))?)?$/gm)].some(
    ([, allowed, from = '0', to = from === '0' ? '65535' : from]) =>
      allowed === transport && port >= Number(from) && port <= Number(to),
  )
}
