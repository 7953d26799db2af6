import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, INSTALLATION } from '../../src/main/configuration.ts'
import { EXAMPLE_NAMES, EXAMPLES, prepareFolder } from '../fakes/example-site.ts'
import { SipAuthority } from '../fakes/sip-certificates.ts'
import { loadChanged } from '../fakes/changed-configuration.ts'

const MAIN = resolve(import.meta.dirname, '../../src/main.ts')

function tonewall(...given: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...given], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, stdout, stderr }
}

t.test('check-config says ok, or each line, key and cure', (t) => {
  const shipped = tonewall('check-config', DEFAULT_CONFIGURATION_FILE)
  t.match(shipped, { status: 0, stdout: 'ok\n', stderr: /^unwise: \S+ vault\.keys\.provider: [^\n]*\n$/ })
  const folder = t.testdir()
  loadChanged(folder, { 'desk.port': 9201, 'routes.0.to': 'nowhere' })
  const file = join(folder, 'site.yaml')
  const { status, stdout, stderr } = tonewall('check-config', file)
  t.equal(status, 1)
  t.equal(stdout, '')
  const lines = stderr.trimEnd().split('\n')
  t.match(lines[0], /site\.yaml:\d+:\d+ routes\[0\]\.to: no trunk has this name; use one of: carrier, contact-centre$/)
  t.match(lines[1], /site\.yaml:\d+:\d+ desk\.port: port 9201 is taken by guard-1 already; give each its own port$/)
  t.equal(lines.length, 2)
  loadChanged(folder, { certificates: { folder: '.', development: false } })
  const production = tonewall('check-config', file)
  t.match(production, { status: 1, stdout: '', stderr: /\/ca\.crt is missing: put the site's certificates there\n/ })
  t.equal(production.stderr.trimEnd().split('\n').length, 11, 'and certificate and key of each of five roles')
  t.end()
})

t.test(
  'check-config takes every example in the folder that its head asks for, and advises against its key in a file alone',
  (t) => {
    const folder = prepareFolder(t, new SipAuthority())
    const file = join(folder, 'tonewall.yaml')
    t.same(
      readdirSync(EXAMPLES),
      EXAMPLE_NAMES.map((name) => [name, '.yaml'].join('')),
    )
    for (const name of EXAMPLE_NAMES) {
      cpSync(join(EXAMPLES, [name, '.yaml'].join('')), file)
      const { stderr, ...rest } = tonewall('check-config', file)
      t.same(rest, { status: 0, stdout: 'ok\n' }, name)
      t.match(stderr, /^unwise: \S+ vault\.keys\.provider: [^\n]* for development only[^\n]*\n$/, name)
    }
    t.end()
  },
)

t.test('check-config without the files of an example names each of them; what is unwise it says, and takes', (t) => {
  const folder = t.testdir()
  const file = join(folder, 'tonewall.yaml')
  cpSync(join(EXAMPLES, 'twilio.yaml'), file)
  const { status, stderr } = tonewall('check-config', file)
  t.equal(status, 1)
  t.same([...stderr.matchAll(/ (\S+): there is no such /g)].map(([, key]) => key).toSorted(), [
    'certificates.folder',
    'sip.tls.authority',
    'sip.tls.certificate',
    'sip.tls.key',
    'trunks[0].credentials.passwordFile',
  ])
  loadChanged(folder, { 'trunks.0.sources': ['0.0.0.0/0'] })
  const unwise = tonewall('check-config', join(folder, 'site.yaml'))
  t.match(unwise, { status: 0, stdout: 'ok\n', stderr: /^unwise: \S+site\.yaml:\d+:\d+ trunks\[0\]\.sources\[0\]: / })
  t.end()
})

t.test('the version is that of the package, the help is on standard output', (t) => {
  const { version } = JSON.parse(readFileSync(join(INSTALLATION, 'package.json'), 'utf8')) as {
    readonly version: string
  }
  t.match(tonewall('version'), { status: 0, stdout: `${version}\n` })
  t.match(tonewall('help'), { status: 0, stdout: /^usage: tonewall COMMAND/, stderr: '' })
  t.end()
})

t.test('what it does not know it names, with the usage and exit code 2', (t) => {
  t.match(tonewall('start', '--colour', 'red'), {
    status: 2,
    stdout: '',
    stderr: /no option --colour\n\nusage: tonewall/,
  })
  t.match(tonewall(), { status: 2, stderr: /no command was given/ })
  t.end()
})

t.test('a role that cannot start says why in its log and ends with 1', (t) => {
  const folder = t.testdir()
  loadChanged(folder, { dataFolder: 'data', certificates: { folder: '.', development: false } })
  const { status, stdout } = tonewall('run', 'vault', '--config', join(folder, 'site.yaml'))
  t.equal(status, 1)
  t.match(JSON.parse(stdout), { role: 'vault', msg: 'cannot start', errorCode: 'ENOENT', file: /\/vault\.crt$/ })
  t.match(tonewall('run', 'vault', '--config', join(folder, 'none.yaml')), { status: 1, stderr: /cannot be read/ })
  t.end()
})

t.test('the installed command finds the pinned runtime, from wherever it is called', (t) => {
  const link = join(t.testdir(), 'tonewall')
  symlinkSync(join(INSTALLATION, 'src/tonewall.mjs'), link)
  const { status, stdout } = spawnSync(link, ['version'], { encoding: 'utf8', cwd: '/' })
  t.equal(status, 0)
  t.match(stdout, /^\d+\.\d+\.\d+\n$/)
  t.equal(spawnSync(link, ['stop'], { encoding: 'utf8' }).status, 2)
  t.end()
})
