import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { compareConfigurations } from '../../src/main/configuration-change.ts'
import { writeTestConfiguration } from '../fakes/test-configuration.ts'

const folder = mkdtempSync(join(tmpdir(), 'tonewall-change-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const { configuration } = await writeTestConfiguration({ folder, guards: 2 })

t.test('nothing differs from itself', (t) => {
  t.same(compareConfigurations(configuration, structuredClone(configuration)), { keys: [], refused: [] })
  t.end()
})

t.test('keys that roles take while calls live are told apart from those that need a restart', (t) => {
  const live = compareConfigurations(configuration, {
    ...configuration,
    logLevel: 'debug',
    routes: [],
    sip: { ...configuration.sip, emergencyNumbers: ['110'], strangers: 'drop' },
  })
  t.same(live.refused, [])
  t.ok(['logLevel', 'routes', 'sip.emergencyNumbers'].every((key) => live.keys.includes(key)))
  const restart = compareConfigurations(configuration, {
    ...configuration,
    merchant: 'another',
    dataFolder: '/elsewhere',
    sip: { ...configuration.sip, udp: [], control: { host: '127.0.0.1', port: 1 } },
    desk: { ...configuration.desk, port: 1 },
  })
  t.same(restart.keys, [])
  t.same(restart.refused.map((line) => line.split(' ')[0]).sort(), [
    'dataFolder',
    'desk.port',
    'merchant',
    'sip.control',
    'sip.udp',
  ])
  t.match(restart.refused[0], /needs a restart: `tonewall drain`/)
  t.end()
})

t.test('rtpengines and guards can be added, not changed and not taken away', (t) => {
  const [guard, ...rest] = configuration.guards
  if (guard === undefined) throw new Error('no guard')
  const added = { ...guard, name: 'guard-new', port: 1 }
  t.same(compareConfigurations(configuration, { ...configuration, guards: [added, ...configuration.guards] }).keys, [
    'guards',
  ])
  for (const guards of [rest, [{ ...guard, windowsMax: 1 }, ...rest]])
    t.match(compareConfigurations(configuration, { ...configuration, guards }).refused, [/^guards can be added to/])
  t.end()
})
