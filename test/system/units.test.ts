import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { BootedMachine } from '../fakes/booted-units.ts'
import { eventually } from '../fakes/eventually.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'

const UNITS = resolve(import.meta.dirname, '../../deploy/systemd')
const FILE_MS_MAX = 180_000
/** Seven processes and a window at once, on two cores that do much else. */
const READY_MS_MAX = 90_000
const LOOK_EVERY_MS = 500
const NODE = '/opt/tonewall/node_modules/node/bin/node'
const PROCESSES = ['vault', 'rtpengine', 'guard@guard-1', 'guard@guard-2', 'sipd', 'sbc', 'desk']
const ROLES = ['vault', 'guard', 'sipd', 'sbc', 'desk']

/** What deploy/README.md says to do, for the shipped site on one machine. */
const PREPARE = `set -e
systemd-sysusers
cd /etc/tonewall
mkdir -m 755 secrets
chmod 755 . certs; chmod 644 certs/*.crt tonewall.yaml; chmod 600 certs/*.key
${ROLES.map((role) => `chown tonewall-${role} certs/${role}.key`).join('\n')}
for name in sip-control agent supervisor; do head -c 32 /dev/urandom | base64 > secrets/$name; done
chgrp tonewall-sip secrets/sip-control; chmod 640 secrets/sip-control
chown tonewall-desk secrets/agent secrets/supervisor; chmod 600 secrets/agent secrets/supervisor
systemctl daemon-reload
systemctl enable --now ${PROCESSES.map((name) => `tonewall-${name}`).join(' ')} tonewall.target`

t.test('the units run the product under systemd, with all that they take away', { timeout: FILE_MS_MAX }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tonewall-units-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o711)
  const reason = BootedMachine.whyNot(folder)
  if (reason !== null) {
    t.pass(`NOT SHOWN HERE, since ${reason}`)
    return
  }
  const machine = await BootedMachine.boot(folder)
  if (machine === null) {
    t.pass('NOT SHOWN HERE, since systemd does not come up in namespaces')
    return
  }
  t.teardown(() => machine.close())
  await machine.inside('mkdir', '/etc/systemd/system/tonewall-.service.d', '/etc/tonewall/certs')
  for (const name of readdirSync(UNITS, { recursive: true, encoding: 'utf8' }).filter(isFile)) {
    const to = name === 'tonewall.sysusers' ? 'etc/sysusers.d/tonewall.conf' : `etc/systemd/system/${name}`
    machine.write(to, readFileSync(join(UNITS, name), 'utf8'))
  }
  for (const name of readdirSync(sharedCertificates()))
    machine.write(`etc/tonewall/certs/${name}`, readFileSync(join(sharedCertificates(), name), 'utf8'))
  machine.write('etc/tonewall/tonewall.yaml', site())
  await machine.inside('sh', '-c', PREPARE)

  // The self-test's own verdict is about timing, too, which a busy machine has not to give.
  const journal = (): Promise<string> => machine.inside('journalctl', '--no-pager', '--output=cat', '-u', 'tonewall-*')
  try {
    await eventually(async () => {
      await delay(LOOK_EVERY_MS)
      return (await journal()).includes('window open and proven')
    }, READY_MS_MAX)
    t.pass('a canary call went through rtpengine, a guard was put into its audio, and the vault wrote that down')
  } catch {
    t.comment((await journal()).split('\n').slice(-40).join('\n'))
    t.fail('no window was opened')
  }
  const isActive = async (): Promise<boolean> => {
    const states = PROCESSES.map((name) => machine.does('systemctl', '--quiet', 'is-active', `tonewall-${name}`))
    return (await Promise.all(states)).every((state) => state)
  }
  await eventually(isActive, READY_MS_MAX)
  t.pass('all are there')

  const users = new Set<string>()
  for (const name of PROCESSES) {
    const [pid, ...more] = machine.pidsOf(`tonewall-${name}.service`)
    if (pid === undefined) throw new Error(`${name} does not run`)
    t.same(more, [], `${name} is one process`)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (key: string): string => new RegExp(`^${key}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
    users.add(field('Uid'))
    for (const key of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) t.match(field(key), /^0+$/, `${name}: ${key}`)
    t.same([field('NoNewPrivs'), field('Seccomp')], ['1', '2'], `${name}: no new rights, system calls by a list`)
    t.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +0 +0 /, name)
    t.match(readFileSync(`/proc/${pid}/coredump_filter`, 'utf8'), /^0+\n$/, name)
    const root = `/proc/${pid}/root`
    const hidden = ['home', 'root', 'boot', 'srv', 'opt/tonewall/run', 'opt/tonewall/certs'].map((name) =>
      join(root, name),
    )
    t.same(
      hidden.filter((place) => existsSync(place) && readdirSync(place).length > 0),
      [],
      `${name} sees no files of others`,
    )
  }
  t.notOk(users.has('0'))
  t.equal(users.size, PROCESSES.length - 1, 'a user for each role')

  const group = '/sys/fs/cgroup/system.slice/tonewall-vault.service/cgroup.procs'
  const asVault = (code: string): Promise<string> =>
    machine.inside('sh', '-c', `echo $$ > ${group}; exec ${NODE} -e "$1"`, 'sh', code)
  const send = `const s = require('dgram').createSocket('udp4'); s.send('x', 9, '10.9.9.9', (e) => { console.log(e?.code ?? 'sent'); s.close() })`
  await machine.inside('ip', 'address', 'add', '10.9.9.9/32', 'dev', 'lo')
  t.equal(await asVault(send.replace('10.9.9.9', '127.0.0.1')), 'sent\n')
  t.equal(await asVault(send), 'EPERM\n', 'nothing goes to an address that is not named')

  await machine.inside('systemctl', 'stop', 'tonewall.target')
  const isGone = (name: string): boolean => machine.pidsOf(`tonewall-${name}.service`).length === 0
  await eventually(() => PROCESSES.every(isGone), READY_MS_MAX)
  t.pass('the target ends them all')
})

function isFile(name: string): boolean {
  return statSync(join(UNITS, name)).isFile()
}

/** The shipped site with its files where a package would put them. */
function site(): string {
  const shipped = readFileSync(resolve(UNITS, '../../sbc-config/tonewall.yaml'), 'utf8')
  const changes: readonly (readonly [string, string])[] = [
    ['{ folder: ../certs/dev, development: true }', '{ folder: certs, development: false }'],
    ['dataFolder: ../run', 'dataFolder: /var/lib/tonewall'],
    [
      '  control: { host: 127.0.0.1, port: 9022 }',
      '  control: { host: 127.0.0.1, port: 9022 }\n  secretFile: secrets/sip-control',
    ],
    ['{ name: agent, role: agent }', '{ name: agent, role: agent, tokenFile: secrets/agent }'],
    ['{ name: supervisor, role: all }', '{ name: supervisor, role: all, tokenFile: secrets/supervisor }'],
  ]
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the shipped site does not say ${from}`)
    return text.replace(from, to)
  }, shipped)
}
