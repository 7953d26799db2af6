import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSupervisor, type Supervisor } from '../../src/main/supervisor.ts'
import { othersMayRead } from '../fakes/other-users.ts'
import { processGone } from '../fakes/process-gone.ts'
import { sharedCertificates } from '../fakes/shared-certificates.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

/** A noisy machine gives a process its core late; a healthy one needs a tenth of this. */
const BACK_MS_MAX = 20_000

const NAMES = ['vault', 'media-1', 'guard-1', 'guard-2', 'sipd', 'sbc', 'desk'] as const

function runningPid(supervisor: Supervisor, name: string): number {
  const pid = supervisor.pidOf(name)
  if (pid === null) throw new Error(`${name} does not run`)
  return pid
}

t.test('a site', async (t) => {
  const folder = t.testdir()
  const { file, configuration } = await writeTestConfiguration({ folder, certificates: sharedCertificates() })
  const lines: string[] = []
  const started = await startSupervisor({ configurationFile: file, say: (line) => lines.push(line) })
  t.equal(started.kind, 'started', started.kind === 'refused' ? started.texts.join(' ') : 'it starts')
  if (started.kind === 'refused') return
  const { supervisor } = started
  t.teardown(() => supervisor.close())

  await t.test('starts every process, media before calls', (t) => {
    const order = lines.flatMap((line) => /^(\S+) is ready/.exec(line)?.[1] ?? [])
    t.same([...order].sort(), [...NAMES].sort())
    t.same(order.slice(-3), ['sipd', 'sbc', 'desk'])
    t.same(supervisor.addresses.get('desk'), [`http://127.0.0.1:${configuration.desk.port}/`])
    t.end()
  })

  await t.test('serves the page and each process’s metrics', async (t) => {
    t.equal((await fetch(supervisor.addresses.get('desk')?.[0] ?? '')).status, 200)
    const { host, ports } = configuration.metrics
    for (const port of [...Object.values(ports), ...configuration.guards.map(({ metricsPort }) => metricsPort)]) {
      const text = await (await fetch(`http://${host}:${port}/metrics`)).text()
      t.match(text, /process_cpu_seconds_total\{role="(sipd|sbc|vault|desk|guard)"\}/)
    }
  })

  await t.test('gives its processes no environment, no inspector and no core file', (t) => {
    for (const name of NAMES) {
      const pid = runningPid(supervisor, name)
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      const names = environment.flatMap((entry) => /^([^=]+)=/.exec(entry)?.[1] ?? [])
      t.same(
        names.filter((known) => !/^(PATH|LANG|LC_ALL|TZ|TMPDIR|NODE_ENV|NODE_CHANNEL_.*)$/.test(known)),
        [],
        `${name} has a clean environment`,
      )
      t.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +0 +0 /)
      // 0x100...: bit 9 is SIGUSR1, which would open the inspector if it were caught.
      const caught = /SigCgt:\s+(\w+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
      if (name !== 'media-1') t.equal((BigInt(`0x${caught}`) >> 9n) & 1n, 0n, `${name} does not listen to SIGUSR1`)
    }
    t.end()
  })

  await t.test('gives each role a user of its own when root starts it, and no right to anything', (t) => {
    const status = (name: string, key: string): string =>
      new RegExp(`^${key}:\\s+(\\S+)`, 'm').exec(
        readFileSync(`/proc/${runningPid(supervisor, name)}/status`, 'utf8'),
      )?.[1] ?? ''
    const mayDrop = othersMayRead(folder)
    for (const name of NAMES) {
      t.equal(status(name, 'NoNewPrivs'), '1', `${name} can get no rights`)
      if (mayDrop) for (const key of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) t.match(status(name, key), /^0+$/, name)
      // An image of its memory would have nothing of its memory in it, whatever takes it (core(5)).
      t.match(readFileSync(`/proc/${runningPid(supervisor, name)}/coredump_filter`, 'utf8'), /^0+\n$/, name)
    }
    const users = NAMES.map((name) => status(name, 'Uid'))
    // Both guards are one role. Where no other user could read the site, all run as who started them, and a line says so.
    t.equal(new Set(users).size, mayDrop ? NAMES.length - 1 : 1)
    t.equal(users.includes('0'), process.getuid?.() === 0 && !mayDrop)
    t.end()
  })

  await t.test('starts again what was killed, and nothing else', async (t) => {
    const before = new Map(NAMES.map((name) => [name, runningPid(supervisor, name)]))
    for (const name of ['guard-1', 'media-1', 'sbc'] as const) {
      const pid = before.get(name) ?? Number.NaN
      process.kill(pid, 'SIGKILL')
      const back = await supervisor.untilReady({ name, notPid: pid, deadlineMs: BACK_MS_MAX })
      t.type(back, 'number', `${name} is back`)
      t.not(back, pid)
      t.ok(
        lines.some((line) => line.startsWith(`${name} ended (SIGKILL)`)),
        `${name} is told`,
      )
    }
    for (const name of ['vault', 'guard-2', 'sipd', 'desk'] as const) t.equal(supervisor.pidOf(name), before.get(name))
  })

  await t.test('is refused a second time, with port, host, key and cure', async (t) => {
    const second = await startSupervisor({ configurationFile: file, say: () => undefined })
    const texts = second.kind === 'refused' ? second.texts.join('\n') : ''
    const { port } = configuration.desk
    t.match(texts, new RegExp(`TCP port ${port} on 127.0.0.1 \\(desk.port\\) is taken.*change desk.port`))
    t.match(texts, /\(sip.udp\[0\].port\) is taken/)
    t.match(texts, /\(rtpengines\[0\].port\) is taken/)
    t.equal(supervisor.pidOf('desk') !== null, true, 'the first goes on')
  })

  await t.test('keeps a log for each process', (t) => {
    t.same(readdirSync(join(configuration.dataFolder, 'logs')).sort(), NAMES.map((name) => `${name}.log`).sort())
    t.end()
  })

  await t.test('ends every process, and may be ended twice', async (t) => {
    const pids = NAMES.map((name) => runningPid(supervisor, name))
    await Promise.all([supervisor.close(), supervisor.close()])
    for (const pid of pids) t.equal(await processGone(pid, { deadlineMs: 1_000 }), true)
    t.equal(await supervisor.untilReady({ name: 'sbc', deadlineMs: 100 }), null)
    t.equal(supervisor.pidOf('nobody'), null)
  })
})

t.test('a configuration that does not fit is refused with its lines', async (t) => {
  const folder = t.testdir({ 'site.yaml': 'sip: 7\n' })
  const started = await startSupervisor({ configurationFile: join(folder, 'site.yaml'), say: () => undefined })
  t.match(started, { kind: 'refused' })
  t.match(started.kind === 'refused' && started.texts[0], /site\.yaml:1:1 /)
})
