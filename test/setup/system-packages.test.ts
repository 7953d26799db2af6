import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'

type Run = (program: string, given: readonly string[]) => { readonly status: number }
type Need = {
  readonly name: string
  readonly program?: string
  readonly file?: string
  readonly why: string
  readonly for: readonly string[]
}
type Install = (options: {
  readonly command: string
  readonly say: (text: string) => void
  readonly needs: readonly Need[]
  readonly path: string
  readonly uid: number
  readonly isTerminal: boolean
  readonly run: Run
}) => boolean

const { installSystemPackages } = (await import(
  resolve(import.meta.dirname, '../../src/setup/system-packages.mjs')
)) as { readonly installSystemPackages: Install }

const NEEDS: readonly Need[] = [
  { name: 'relay-daemon', program: 'tonewall-test-relay', why: 'relays', for: ['start', 'test'] },
  { name: 'page-reader', program: 'tonewall-test-reader', why: 'reads pages', for: ['test'] },
]

/** A machine with a folder of programs; `install` is what apt-get does on it when it runs as it should. */
function machine(
  t: Test,
  options: { readonly programs: readonly string[]; readonly sudo?: boolean; readonly aptWorks?: boolean },
) {
  const folder = join(t.testdir(), 'bin')
  mkdirSync(folder)
  const put = (name: string): void => {
    writeFileSync(join(folder, name), '#!/bin/sh\n')
    chmodSync(join(folder, name), 0o755)
  }
  for (const name of options.programs) put(name)
  const said: string[] = []
  const ran: string[] = []
  const run: Run = (program, given) => {
    ran.push([program, ...given.map((part) => (part.includes('\n') ? 'SCRIPT' : part))].join(' '))
    if (program === 'sudo' && given[1] === 'true') return { status: options.sudo === true ? 0 : 1 }
    if (options.aptWorks === false) return { status: 1 }
    for (const need of NEEDS) if (given.includes(need.name) && need.program !== undefined) put(need.program)
    return { status: 0 }
  }
  const install = (command: string, as: { readonly uid: number; readonly isTerminal?: boolean }): boolean =>
    installSystemPackages({
      command,
      say: (text) => said.push(text),
      needs: NEEDS,
      path: folder,
      uid: as.uid,
      isTerminal: as.isTerminal ?? false,
      run,
    })
  return { install, said, ran }
}

t.test('nothing is run when nothing is missing', (t) => {
  const { install, said, ran } = machine(t, { programs: ['tonewall-test-relay'] })
  t.equal(install('start', { uid: 1000 }), true)
  t.same([said, ran], [[], []])
  t.end()
})

t.test('root installs what is missing for the command, and says what and why', (t) => {
  const { install, said, ran } = machine(t, { programs: ['apt-get'] })
  t.equal(install('start', { uid: 0 }), true)
  t.same(ran, ['sh -c SCRIPT sh relay-daemon'])
  t.equal(said[0], 'missing: relay-daemon (relays)')
  t.equal(install('test', { uid: 0 }), true)
  t.equal(ran[1], 'sh -c SCRIPT sh page-reader')
  t.end()
})

t.test('a user with sudo installs with sudo, without being asked', (t) => {
  const { install, ran } = machine(t, { programs: ['apt-get', 'sudo'], sudo: true })
  t.equal(install('test', { uid: 1000 }), true)
  t.same(ran, ['sudo -n true', 'sudo -n sh -c SCRIPT sh relay-daemon page-reader'])
  t.end()
})

t.test('sudo may ask for a password at a terminal only', (t) => {
  const asked = machine(t, { programs: ['apt-get', 'sudo'] })
  t.equal(asked.install('start', { uid: 1000, isTerminal: true }), true)
  t.equal(asked.ran.at(-1), 'sudo sh -c SCRIPT sh relay-daemon')
  const silent = machine(t, { programs: ['apt-get', 'sudo'] })
  t.equal(silent.install('start', { uid: 1000 }), false)
  t.match(silent.said.at(-1), /Run: sudo apt-get install --no-install-recommends relay-daemon$/)
  t.end()
})

t.test('without root and sudo it names the exact command', (t) => {
  const { install, said, ran } = machine(t, { programs: ['apt-get'] })
  t.equal(install('test', { uid: 1000, isTerminal: true }), false)
  t.match(said.at(-1), /Run: sudo apt-get install --no-install-recommends relay-daemon page-reader$/)
  t.same(ran, [])
  t.end()
})

t.test('another system is told the programs', (t) => {
  const { install, said } = machine(t, { programs: [] })
  t.equal(install('test', { uid: 0 }), false)
  t.match(said.at(-1), /not Debian or Ubuntu.*tonewall-test-relay, tonewall-test-reader/)
  t.end()
})

t.test('an installation that does not work is a failure with the command', (t) => {
  const { install, said } = machine(t, { programs: ['apt-get'], aptWorks: false })
  t.equal(install('start', { uid: 0 }), false)
  t.match(said.at(-1), /did not work.*apt-get install/)
  t.end()
})

t.test('services that a package brings are not started while it is installed, and are switched off', (t) => {
  const folder = join(t.testdir(), 'bin')
  mkdirSync(folder)
  writeFileSync(join(folder, 'apt-get'), '#!/bin/sh\n', { mode: 0o755 })
  let script = ''
  installSystemPackages({
    command: 'test',
    say: () => undefined,
    needs: NEEDS,
    path: folder,
    uid: 0,
    isTerminal: false,
    run: (_, given) => {
      script = given[1] ?? ''
      return { status: 0 }
    },
  })
  t.match(script, /exit 101.*policy-rc|policy-rc.*exit 101/s)
  t.match(script, /rtpengine-daemon\|kamailio\|postgresql\) ;;/)
  t.end()
})
