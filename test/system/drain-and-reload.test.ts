import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { nowUs } from '../../src/demo/monotonic.ts'
import { runDrainCommand } from '../../src/main/drain-command.ts'
import type { WrittenConfiguration } from '../../src/main/configuration-defaults.ts'
import { runReloadCommand } from '../../src/main/reload-command.ts'
import { eventually } from '../fakes/eventually.ts'
import { freePort } from '../fakes/free-port.ts'
import { mediaPorts } from '../fakes/media-ports.ts'
import { SiteLine } from '../fakes/site-line.ts'
import { Site } from '../fakes/site.ts'
import { heardFromPayer } from './failure-assertions.ts'

const FILE_MS_MAX = 90_000
const ENDED_MS_MAX = 10_000

t.setTimeout(FILE_MS_MAX)

t.test('a site takes another configuration, and ends with its last call, without dropping one', async (t) => {
  t.setTimeout(FILE_MS_MAX)
  let drained = 0
  const site = await Site.start({
    lines: 2,
    guards: 1,
    coolDownMs: 500,
    say: (line) => t.comment(line),
    drained: () => (drained += 1),
  })
  const lines: SiteLine[] = []
  t.teardown(async () => {
    await Promise.all(lines.map((line) => line.close()))
    await site.close()
  })
  for (const line of [0, 1]) lines.push(await SiteLine.open(site, { line }))
  const [first, second] = lines
  if (first === undefined || second === undefined) throw new Error('two lines')
  const { configuration, configurationFile } = site
  const said: string[] = []
  const say = (line: string) => void said.push(line)
  await first.call()
  const pids = site.pids()

  const written = parse(readFileSync(configurationFile, 'utf8')) as WrittenConfiguration
  const reload = async (next: object | string): Promise<number> => {
    said.length = 0
    writeFileSync(configurationFile, typeof next === 'string' ? next : stringify(next))
    return runReloadCommand({ kind: 'reload', configurationFile, file: null }, configuration, say)
  }

  await t.test('a file with a fault, or with a key that needs a restart, changes nothing', async (t) => {
    t.equal(await reload({ ...written, merchant: 'another', sbc: { host: '127.0.0.1', port: await freePort() } }), 1)
    t.match(said, [/^vault needs a restart/, /^sbc needs/, /^merchant needs/, 'Nothing was changed.'])
    t.equal(await reload({ ...written, routes: [{ from: 'nobody', to: 'line-a' }] }), 1)
    t.match(said[0], /tonewall\.yaml:\d+.*routes/)
    const taken = { host: '127.0.0.1', port: configuration.desk.port, metricsPort: await freePort() }
    const guard = { name: 'guard-9', ...taken, rtpengine: 'media-1', media: '127.0.0.1' }
    t.equal(await reload({ ...written, guards: [...written.guards, guard] }), 1, 'a new process that cannot start')
    t.same(site.supervisor.configuration, configuration)
    t.equal(await reload(written), 0)
    t.same(said, ['Nothing differs from what the site runs with.'])
  })

  await t.test(
    'forms, routes, the log level, agents, an rtpengine and a guard are taken while a call lives',
    async (t) => {
      const host = '127.0.0.1'
      const { min, max } = await mediaPorts()
      const start = { interface: `lo/${host}`, portMin: min, portMax: max }
      const guard = { name: 'guard-9', host, port: await freePort(), metricsPort: await freePort() }
      const code = await reload({
        ...written,
        logLevel: 'debug',
        forms: [...written.forms, { name: 'number-only', fields: ['card-number'] }],
        // Line b is not reached any more.
        routes: [{ from: 'carrier', to: 'line-a' }],
        rtpengines: [...written.rtpengines, { name: 'media-9', host, port: await freePort(), start }],
        guards: [...written.guards, { ...guard, rtpengine: 'media-9', media: host }],
        desk: { ...written.desk, agents: [...written.desk.agents, { name: 'newcomer', role: 'agent' }] },
      })
      t.comment(...said)
      t.equal(code, 0)
      t.equal(said[0], 'Taken: logLevel, routes, rtpengines, guards, desk.agents, forms.')
      const after = site.pids()
      for (const name of ['vault', 'media-1', 'guard-1', 'sipd', 'sbc']) t.equal(after[name], pids[name], name)
      await heardFromPayer(t, first, nowUs())
      t.same(await first.payer.reinvite({ direction: 'sendrecv' }), { kind: 'done', status: 200 })
      await eventually(
        async () => (await site.counted(configuration.metrics.ports.sbc, 'tonewall_sbc_rtpengines_up')) === 2,
        8_000,
      )
      await eventually(
        async () => (await site.counted(configuration.metrics.ports.sbc, 'tonewall_sbc_guards_up')) === 2,
        8_000,
      )
      const refused = await second.payer.call({ to: site.uriOf(1) })
      t.match(refused, { kind: 'refused', status: 486 }, 'its number goes to line a now, which is busy')
      t.equal(await reload(written), 1, 'what was added cannot be taken away')
      t.match(said, [/^rtpengines can be added to/, /^guards can be added to/, 'Nothing was changed.'])
    },
  )

  await t.test('in a drain nobody new is taken, and the site ends with the last call', async (t) => {
    const order = { kind: 'drain', configurationFile, seconds: null, undo: false } as const
    said.length = 0
    const ended = runDrainCommand(order, configuration, say)
    await eventually(() => said.includes('1 call left'))
    const refused = await second.payer.call({ to: site.uriOf(1) })
    t.match(refused, { kind: 'refused', status: 503 })
    const { sipReceived } = await second.payer.report()
    t.match(
      sipReceived.find((text) => text.startsWith('SIP/2.0 503')),
      /^Retry-After: 30/m,
    )
    t.match(await second.payer.options(site.uriOf(0)), { kind: 'refused', status: 503 }, 'health checks see it')
    await first.openWindow()
    await site.desk.cancelWindow(first.callId)
    t.pass('a window opens')

    t.equal(await runDrainCommand({ ...order, undo: true }, configuration, say), 0)
    t.equal(await ended, 1, 'who waits is told that it was undone')
    t.match(await second.payer.options(site.uriOf(0)), { kind: 'done', status: 200 })

    said.length = 0
    const endedNow = runDrainCommand({ ...order, seconds: 600 }, configuration, say)
    await eventually(() => said.some((line) => line.startsWith('1 call left, to be ended in 600 s')))
    t.equal(drained, 0)
    await first.payer.hangup()
    await eventually(() => drained === 1)
    // As `tonewall start` does then.
    await site.supervisor.close()
    t.equal(await Promise.race([endedNow, delay(ENDED_MS_MAX, -1, { ref: false })]), 0)
    t.equal(said.at(-1), 'The site has ended.')
  })
})
