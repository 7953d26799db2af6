import { dirname, join } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, INSTALLATION } from '../../src/main/configuration.ts'
import { loadChanged } from '../fakes/changed-configuration.ts'

t.test('what is left out gets its default', (t) => {
  const gone = [
    'dataFolder',
    'logLevel',
    'sip.server',
    'trunks.0.lookAheadMs',
    'trunks.0.masking',
    'trunks.0.target.transport',
    'routes.0.prefix',
    'guards.0.windowsMax',
    'desk.agents.0.role',
    'forms.0.tries',
    'forms.0.interDigitMs',
    'forms.0.totalMs',
    'forms.0.coolDownMs',
    'forms.0.brands',
    'certificates.folder',
  ]
  t.match(loadChanged(t.testdir(), Object.fromEntries(gone.map((path) => [path, undefined]))), {
    kind: 'loaded',
    configuration: {
      dataFolder: join(INSTALLATION, 'run'),
      certificates: { folder: join(INSTALLATION, 'certs/dev') },
      logLevel: 'info',
      sip: { server: 'embedded' },
      trunks: [
        { lookAheadMs: 30, masking: 'talk-through', agentHeader: null, targets: [{ transport: 'udp', priority: 1 }] },
      ],
      routes: [{ prefix: '' }],
      guards: [{ windowsMax: 100 }],
      vault: {
        folder: join(INSTALLATION, 'run/vault'),
        connectorUrl: null,
        store: 'sqlite',
        postgresql: null,
        keys: { kek: { provider: 'file', file: null }, former: [], cryptoperiodDays: 90 },
      },
      desk: { tls: null, agents: [{ role: 'agent' }] },
      forms: [{ brands: [], tries: 3, interDigitMs: 15_000, totalMs: 180_000, coolDownMs: 3_000 }],
    },
  })
  t.end()
})

t.test('relative file names count from the folder of the configuration', (t) => {
  const folder = t.testdir()
  t.match(loadChanged(folder, { dataFolder: 'data', 'vault.folder': '../vault' }), {
    kind: 'loaded',
    configuration: {
      dataFolder: join(folder, 'data'),
      sip: { secretFile: join(folder, 'data/secrets/sip-control') },
      vault: { folder: join(dirname(folder), 'vault') },
    },
  })
  t.not(dirname(DEFAULT_CONFIGURATION_FILE), folder)
  t.end()
})

t.test('two agents never share a token file, whatever their names', (t) => {
  const loaded = loadChanged(t.testdir(), {
    'desk.agents': [{ name: '+44.1' }, { name: '+44-1' }, { name: "o'neill" }],
  })
  const files = loaded.kind === 'loaded' ? loaded.configuration.desk.agents.map((agent) => agent.tokenFile) : []
  t.equal(new Set(files).size, 3)
  for (const file of files) t.match(file, /run\/secrets\/agent-[\w-]+$/)
  t.end()
})
