import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, INSTALLATION, loadConfiguration } from '../../src/main/configuration.ts'
import { parseSbcToGuard } from '../../src/wire/guard-protocol.ts'

t.test('the shipped configuration loads, complete and with absolute file names', (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  t.match(loaded, {
    kind: 'loaded',
    configuration: {
      dataFolder: join(INSTALLATION, 'run'),
      certificates: { folder: join(INSTALLATION, 'certs/dev'), development: true },
      sip: { udp: [{ host: '127.0.0.1', port: 5060 }], secretFile: join(INSTALLATION, 'run/secrets/sip-control') },
      trunks: [{ name: 'carrier' }, { name: 'contact-centre', targets: [{ host: '127.0.0.3', port: 5070 }] }],
      guards: [{ name: 'guard-1' }, { name: 'guard-2' }],
      vault: { folder: join(INSTALLATION, 'run/vault'), connectorUrl: null },
      desk: { tls: null, agents: [{ tokenFile: join(INSTALLATION, 'run/secrets/agent-agent') }, { role: 'all' }] },
      forms: [{ name: 'card', fields: ['card-number', 'expiry', 'card-code'] }],
    },
  })
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
      codec: 'PCMU',
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
