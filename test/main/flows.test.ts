import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { rolesAllowed } from '../../src/cde/vault/permissions.ts'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { FLOWS, flowsOf, ZONES, type FlowEnd } from '../../src/main/flows.ts'
import { listenAddresses } from '../../src/main/listen-address.ts'

const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
if (loaded.kind === 'refused') throw new Error('the shipped configuration was refused')
const { configuration } = loaded

t.test('every port that a process of ours holds is the end of a flow, and no flow ends at another', (t) => {
  const ends = flowsOf(configuration).flatMap(({ to, transport, addresses }) =>
    addresses.flatMap(({ host, port, portMax }) =>
      port === null || portMax !== undefined ? [] : [`${to} ${transport} ${host}:${port}`],
    ),
  )
  const ours = listenAddresses(configuration).map(({ process, transport, host, port }) => {
    const role = /^(guard|media)-/.exec(process)?.[1] ?? process
    return `${role === 'media' ? 'rtpengine' : role} ${transport} ${host}:${port}`
  })
  t.same([...new Set(ends)].sort(), [...new Set(ours)].sort())
  t.end()
})

t.test('every role that a port of ours lets in by its certificate begins a flow to it, and none else does', (t) => {
  const source = resolve(import.meta.dirname, '../../src')
  const doors = globSync('**/*.ts', { cwd: source }).flatMap((file) => {
    const text = readFileSync(join(source, file), 'utf8')
    if (!/\blistenChannel(<|\()/.test(text) || file.startsWith('kit/')) return []
    const [, room = '', inner = ''] = /^(?:cde\/)?(\w+)\/(.+)$/.exec(file) ?? []
    const [, allowed = ''] = /^ +allow: \[(.*)\],$/m.exec(text) ?? []
    const roles = [...allowed.matchAll(/'(\w+)'/g)].map(([, role = '']) => role)
    if (allowed.includes('...rolesAllowed()')) roles.push(...rolesAllowed())
    t.ok(roles.length > 0, `${room}/${inner} says whom it lets in`)
    return roles.map((role) => `${role} > ${room}`)
  })
  const mutual = FLOWS.filter(
    ({ name, protection }) => /both sides/.test(protection) && !/^vault-(api|detokenizer)$/.test(name),
  )
  t.same(mutual.map(({ from, to }) => `${from} > ${to}`).sort(), [...new Set(doors)].sort())
  t.end()
})

t.test('an operator gives orders to sbc and vault, and has no way to where card numbers are told', (t) => {
  const { vault, sbc } = configuration
  const ann = { name: 'ann', role: 'detokenizer', merchants: [], requestsPerMinute: 60, cardsPerMinute: 60 } as const
  const api = { host: '10.0.0.4', port: 9_211, clients: [ann] }
  const flows = flowsOf({ ...configuration, vault: { ...vault, api } })
  const ways = (from: FlowEnd) =>
    flows.filter((flow) => flow.from === from).map(({ to, digits, addresses }) => [to, digits, addresses[0]?.port])
  t.same(ways('operator').sort(), [
    ['sbc', false, sbc.port],
    ['vault', false, vault.port],
  ])
  t.same(ways('detokenizer'), [['vault', true, api.port]])
  t.same(
    new Set(flows.filter(({ addresses }) => addresses[0]?.port === api.port).map(({ from }) => ZONES[from])),
    new Set(['cde']),
  )
  const others = flowsOf({
    ...configuration,
    vault: { ...vault, api: { ...api, clients: [{ ...ann, role: 'charger' }] } },
  })
  t.notOk(
    others.some(({ from }) => from === 'detokenizer'),
    'where nobody may detokenize, nobody has a way to',
  )
  t.end()
})

t.test('digits flow from the carrier into the CDE, inside of it, and to the acquirer, and nowhere else', (t) => {
  const ways = FLOWS.filter(({ digits }) => digits).map(({ from, to }) => `${ZONES[from]} > ${ZONES[to]}`)
  // From the edge: carriers that signal keys by SIP INFO (src/README.md).
  t.same([...new Set(ways)].sort(), ['carrier > cde', 'cde > cde', 'cde > management', 'edge > cde'])
  t.end()
})

t.test('nothing but masked media goes between the CDE and the contact centre', (t) => {
  const between = FLOWS.filter(
    ({ from, to }) => [ZONES[from], ZONES[to]].sort().join() === ['cde', 'contact-centre'].join(),
  )
  t.same(
    between.map(({ name }) => name),
    ['media-contact-centre'],
  )
  t.end()
})

const KMS = { provider: 'aws-kms', region: 'eu-central-1', key: '', credentialsFile: '', authority: null } as const

t.test('what is not configured is no flow, and what is has its address', (t) => {
  const names = flowsOf(configuration).map(({ name }) => name)
  for (const name of [
    'database',
    'acquirer',
    'vault-api',
    'key-service',
    'audit',
    'clock',
    'homer',
    'names',
    'sip-out-carrier',
  ])
    t.notOk(names.includes(name), name)
  const [carrier] = configuration.trunks
  const [target] = carrier?.targets ?? []
  if (carrier === undefined || target === undefined) throw new Error('there is a trunk')
  const syslog = { host: 'log.example', port: 6_514, authority: '', name: null, certificate: null, key: null }
  const flows = flowsOf({
    ...configuration,
    trunks: [{ ...carrier, targets: [{ ...target, transport: 'tls', port: 5_061 }] }],
    rtpengines: configuration.rtpengines.map((rtpengine) => ({ ...rtpengine, start: null })),
    vault: {
      ...configuration.vault,
      connectorUrl: 'https://acquirer.example/pay',
      keys: {
        ...configuration.vault.keys,
        kek: { ...KMS, endpoint: null },
        former: [{ ...KMS, endpoint: 'https://kms' }],
      },
    },
    audit: { ...configuration.audit, syslog, timeServer: { host: 'ntp.example', port: 123 } },
  })
  const addresses = (name: string) => flows.find((flow) => flow.name === name)?.addresses
  t.same(addresses('acquirer'), [{ host: 'acquirer.example', port: 443 }])
  t.same(addresses('key-service'), [
    { host: 'kms.eu-central-1.amazonaws.com', port: 443 },
    { host: 'kms', port: 443 },
  ])
  t.match(addresses('audit'), [{ host: 'log.example', port: 6_514 }])
  t.match(addresses('clock'), [{ host: 'ntp.example', port: 123 }])
  t.match(addresses('sip-out-carrier'), [{ port: 5_061 }])
  t.match(addresses('media-carrier'), [{ port: null }], 'an rtpengine of others has ports that we do not know')
  t.end()
})
