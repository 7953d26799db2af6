import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { DEFAULT_CONFIGURATION_FILE, INSTALLATION, loadConfiguration } from '../../src/main/configuration.ts'
import type { ConfigurationProblem } from '../../src/kit/configuration-file.ts'
import { parseSbcToGuard } from '../../src/wire/guard-protocol.ts'

type Loose = Record<string, never> & { [key: string]: Loose & string & number }

/** Loads the shipped configuration with one change. */
function problemsWith(t: Test, change: (written: Loose) => void): readonly ConfigurationProblem[] {
  const written = parse(readFileSync(DEFAULT_CONFIGURATION_FILE, 'utf8')) as Loose
  change(written)
  const file = join(t.testdir(), 'site.yaml')
  writeFileSync(file, stringify(written))
  const loaded = loadConfiguration(file)
  return loaded.kind === 'refused' ? loaded.problems : []
}

const set = (path: string, value: unknown) => (written: Loose) => {
  const parts = path.split('.')
  let here: Record<string, unknown> = written
  for (const part of parts.slice(0, -1)) here = here[part] as Record<string, unknown>
  here[parts.at(-1) ?? ''] = value
}

t.test('the shipped configuration loads, complete and with absolute file names', (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  t.match(loaded, {
    kind: 'loaded',
    configuration: {
      dataFolder: join(INSTALLATION, 'run'),
      certificates: { folder: join(INSTALLATION, 'certs/dev'), development: true },
      sip: { udp: [{ host: '127.0.0.1', port: 5060 }], secretFile: join(INSTALLATION, 'run/secrets/sip-control') },
      trunks: [{ name: 'carrier' }, { name: 'contact-centre', target: { host: '127.0.0.3', port: 5070 } }],
      guards: [{ name: 'guard-1' }, { name: 'guard-2' }],
      vault: { folder: join(INSTALLATION, 'run/vault'), connectorUrl: null },
      desk: { tls: null, agents: [{ tokenFile: join(INSTALLATION, 'run/secrets/agent-agent') }, { role: 'all' }] },
      forms: [{ name: 'card', fields: ['card-number', 'expiry', 'card-code'] }],
    },
  })
  t.end()
})

t.test('what is left out gets its default', (t) => {
  const written = parse(readFileSync(DEFAULT_CONFIGURATION_FILE, 'utf8')) as Loose
  for (const path of [
    'dataFolder',
    'logLevel',
    'sip.server',
    'trunks.0.lookAheadMs',
    'trunks.0.masking',
    'forms.0.tries',
  ])
    set(path, undefined)(written)
  const file = join(t.testdir(), 'site.yaml')
  writeFileSync(file, stringify(written))
  t.match(loadConfiguration(file), {
    kind: 'loaded',
    configuration: {
      dataFolder: join(INSTALLATION, 'run'),
      logLevel: 'info',
      sip: { server: 'embedded' },
      trunks: [{ lookAheadMs: 40, masking: 'talk-through' }],
      forms: [{ tries: 3 }],
    },
  })
  t.end()
})

t.test('a card PIN is refused with the reason', (t) => {
  for (const field of ['pin', 'PIN', 'card-pin']) {
    const [problem, ...more] = problemsWith(t, set('forms.0.fields.2', field))
    t.match(problem, {
      key: 'forms[0].fields[2]',
      problem: 'a card PIN cannot be captured',
      cure: /approved PIN entry/,
    })
    t.same(more, [])
  }
  t.end()
})

t.test('a token in the configuration is refused and not repeated', (t) => {
  const problems = problemsWith(t, set('desk.agents.0.token', 'hunterhunter'))
  t.match(problems, [{ key: 'desk.agents[0].token', cure: /tokenFile/ }])
  t.notMatch(JSON.stringify(problems), 'hunterhunter')
  t.end()
})

const CASES: readonly (readonly [change: string, value: unknown, key: string, problem: RegExp])[] = [
  ['routes.0.to', 'nowhere', 'routes[0].to', /no trunk has this name/],
  ['routes.0.to', 'carrier', 'routes[0]', /two trunks of one side/],
  ['routes.2', { from: 'carrier', prefix: '44', to: 'contact-centre' }, 'routes[2]', /never reached/],
  ['guards.0.rtpengine', 'media-9', 'guards[0].rtpengine', /no rtpengine has this name/],
  ['guards.1.name', 'guard-1', 'guards[1].name', /taken/],
  ['guards.1.name', 'vault', 'guards[1].name', /taken/],
  ['guards.0.media', '1.2.3', 'guards[0].media', /not an IP address/],
  ['desk.port', 9201, 'desk.port', /port 9201 is taken by guard-1/],
  ['metrics.ports.desk', 9311, 'metrics.ports.desk', /taken by guard-1/],
  ['desk.port', 0, 'desk.port', /too small/],
  ['trunks.0.lookAheadMs', 5, 'trunks[0].lookAheadMs', /too small/],
  ['trunks.0.lookAheadMs', 201, 'trunks[0].lookAheadMs', /too large/],
  ['trunks.0.sources.0', '10.0.0.0/33', 'trunks[0].sources[0]', /CIDR/],
  ['trunks.0.sources.0', 'example', 'trunks[0].sources[0]', /CIDR/],
  ['trunks.0.sources.0', '127.0.0.3', 'trunks[1].sources[0]', /another trunk/],
  ['trunks.0.agentHeader', 'X-Agent', 'trunks[0].agentHeader', /no agents/],
  ['trunks.1.side', 'carrier', 'trunks', /no trunk of side contact-centre/],
  ['trunks.1.name', 'carrier', 'trunks[1].name', /taken/],
  ['rtpengines.0.start.portMax', 23003, 'rtpengines[0].start.portMax', /too few/],
  [
    'rtpengines.1',
    {
      name: 'media-2',
      host: '127.0.0.1',
      port: 22231,
      start: { interface: 'lo/127.0.0.1', portMin: 24000, portMax: 25000 },
    },
    'rtpengines[1].start.portMin',
    /overlaps/,
  ],
  ['forms.0.fields', ['expiry'], 'forms[0].fields', /no card number/],
  ['forms.0.fields.2', 'shoe-size', 'forms[0].fields[2]', /not known/],
  ['sip.secretFile', '/nowhere/secret', 'sip.secretFile', /no such file/],
  ['desk.tls', { certificate: 'none.crt', key: 'none.key' }, 'desk.tls.certificate', /no such file/],
  ['certificates', { folder: 'none', development: false }, 'certificates.folder', /no such folder/],
  ['vault.connectorUrl', 'http://192.0.2.1/', 'vault.connectorUrl', /does not fit/],
  ['merchant', 'shop-4111111111111111', 'merchant', /does not fit/],
  ['sip', { udp: [], tcp: [], control: { host: '127.0.0.1', port: 9022 } }, 'sip.udp', /no address for SIP/],
]

t.test('what cannot work is refused with its key', (t) => {
  for (const [change, value, key, text] of CASES) {
    const found = problemsWith(t, set(change, value)).find((problem) => problem.key === key)
    t.match(found?.problem, text, `${change} is refused at ${key}`)
    t.ok((found?.line ?? 0) > 0 && (found?.cure ?? '') !== '', `${change} has a line and a cure`)
  }
  t.end()
})

t.test('an address range and two routes that differ are accepted', (t) => {
  t.same(problemsWith(t, set('trunks.0.sources', ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'])), [])
  t.same(problemsWith(t, set('routes.0.prefix', '+44')), [])
  t.same(problemsWith(t, set('sip.server', 'drachtio')), [])
  t.end()
})

t.test('the limits of the schema are the limits of the protocol to the guard', (t) => {
  const properties = readSchema()
  const form = properties.forms.items.properties
  const prepare = (change: Readonly<Record<string, number>>) => {
    const value = (name: string, usual: number): number => change[name] ?? usual
    return parseSbcToGuard({
      type: 'window.prepare',
      windowId: 'abcdefghijklmnop',
      masking: 'hard',
      lookAheadMs: value('lookAheadMs', 40),
      headers: 'same',
      form: {
        fields: ['card-number'],
        brands: [],
        tries: value('tries', 3),
        interDigitMs: value('interDigitMs', 15_000),
        totalMs: value('totalMs', 180_000),
      },
      merchant: 'test',
      coolDownMs: value('coolDownMs', 3_000),
    })
  }
  const limits = { ...form, lookAheadMs: properties.trunks.items.properties.lookAheadMs }
  for (const name of ['lookAheadMs', 'tries', 'interDigitMs', 'totalMs', 'coolDownMs'] as const) {
    const { minimum, maximum } = limits[name]
    t.not(prepare({ [name]: minimum }), null, `${name} may be ${minimum}`)
    t.not(prepare({ [name]: maximum }), null, `${name} may be ${maximum}`)
    t.equal(prepare({ [name]: minimum - 1 }), null, `${name} may not be less`)
    t.equal(prepare({ [name]: maximum + 1 }), null, `${name} may not be more`)
  }
  t.end()
})

type Range = { readonly minimum: number; readonly maximum: number }

function readSchema(): {
  readonly forms: {
    readonly items: {
      readonly properties: Readonly<Record<'tries' | 'interDigitMs' | 'totalMs' | 'coolDownMs', Range>>
    }
  }
  readonly trunks: { readonly items: { readonly properties: { readonly lookAheadMs: Range } } }
} {
  const text = readFileSync(join(INSTALLATION, 'sbc-config/tonewall.schema.json'), 'utf8')
  return (JSON.parse(text) as { readonly properties: ReturnType<typeof readSchema> }).properties
}
