import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../src/main/configuration.ts'
import { FLOWS, flowsOf, ZONES, type FlowEnd } from '../../src/main/flows.ts'
import { ZoneNetwork } from '../fakes/zone-network.ts'

const FOLDER = resolve(import.meta.dirname, '../../deploy/nftables')
const rules = readFileSync(join(FOLDER, 'tonewall.nft'), 'utf8')
const zones = readFileSync(join(FOLDER, 'zones.nft'), 'utf8')
const counters = [...rules.matchAll(/^ {2}counter (\w+) \{ \}$/gm)].map(([, name]) => name ?? '')
/** The interface of each zone, as the rules name it. */
const INTERFACES = {
  carrier: 'CARRIER',
  edge: 'EDGE',
  cde: 'CDE',
  'contact-centre': 'CONTACT_CENTRE',
  management: 'MANAGEMENT',
} as const

/** Flows that cross the wall; the acquirer may be in any zone. */
const crossing = FLOWS.filter(({ from, to }) => ZONES[from] !== ZONES[to])

t.test('each flow between two zones has a rule that counts it under its name', (t) => {
  for (const { name, from, to } of crossing) {
    const counter = name.replaceAll('-', '_')
    const lines = rules.split('\n').filter((line) => line.includes(`counter name ${counter} accept`))
    const [begins, answers] = [ZONES[from], ZONES[to]]
    const isIn = (zone: keyof typeof INTERFACES) => (line: string) => line.includes(`iifname $${INTERFACES[zone]} `)
    t.ok(lines.some(isIn(begins)), `${name} begins in the zone ${begins}`)
    if (to !== 'acquirer')
      t.ok(
        lines.some((line) => line.includes(`oifname $${INTERFACES[answers]} `)),
        `${name} ends in the zone ${answers}`,
      )
  }
  t.end()
})

/** Who is meant, as zones.nft calls them: an address, or a set of addresses with ports for what is somebody else's. */
const NAMED: Readonly<Partial<Record<FlowEnd, string>>> = {
  carrier: '$CARRIER_PEERS',
  'contact-centre': '$CONTACT_CENTRE_PEERS',
  sipd: '$SIPD',
  sbc: '$SBC',
  guard: '$GUARD',
  vault: '$VAULT',
  desk: '$DESK',
  rtpengine: '$RTPENGINE',
  operator: '$OPERATOR',
  prometheus: '$PROMETHEUS',
  acquirer: '@acquirer',
  'key-service': '@key_service',
  syslog: '@syslog',
  clock: '@clock',
  homer: '@homer',
  resolver: '@resolver',
}

t.test('a rule names who begins a flow, who answers, and the port of the shipped site', (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
  const shipped = flowsOf(loaded.configuration)
  for (const { name, from, to } of crossing) {
    const accepts = `counter name ${name.replaceAll('-', '_')} accept`
    const line = rules.split('\n').find((text) => text.endsWith(accepts)) ?? ''
    // A carrier's audio comes from addresses that nobody knows before the call.
    if (name !== 'media-carrier') t.ok(line.includes(`ip saddr ${NAMED[from] ?? 'nobody'} `), `${name} from ${from}`)
    const target = NAMED[to] ?? 'nobody'
    t.ok(line.includes(target.startsWith('@') ? ` ${target} ` : `ip daddr ${target} `), `${name} to ${to}`)
    const [, port = ''] = /dport \$(\w+)/.exec(line) ?? []
    const named = [...(new RegExp(`^define ${port} = (.*)$`, 'm').exec(zones)?.[1] ?? '').matchAll(/\d+/g)].map(Number)
    for (const address of shipped.find((flow) => flow.name === name)?.addresses ?? [])
      t.ok(address.port !== null && named.includes(address.port), `${name} at port ${address.port}`)
  }
  t.end()
})

t.test(
  'operators reach the two ports that take their certificate, from where they stand, and card numbers are told in the CDE alone',
  (t) => {
    const theirs = rules.split('\n').filter((line) => line.includes('$OPERATOR'))
    t.same(
      theirs.map((line) => line.trim()),
      ['SBC', 'VAULT'].map(
        (role) =>
          `iifname $MANAGEMENT oifname $${role === 'SBC' ? 'EDGE' : 'CDE'} ip saddr $OPERATOR ip daddr $${role} tcp dport $${role}_PORT ` +
          `counter name ${role.toLowerCase()}_operator accept`,
      ),
    )
    const toldIn = FLOWS.filter(({ name }) => ['vault-api', 'vault-detokenizer'].includes(name)).map(
      ({ from }) => ZONES[from],
    )
    t.same(toldIn, ['cde', 'cde'])
    t.end()
  },
)

t.test('no rule accepts what is no flow', (t) => {
  const accepted = [...rules.matchAll(/counter name (\w+) accept$/gm)].map(([, name]) => name ?? '')
  const names = crossing.map(({ name }) => name.replaceAll('-', '_'))
  t.same(
    [...new Set(accepted)].filter((name) => !names.includes(name)),
    ['going_on'],
  )
  t.equal(
    [...rules.matchAll(/\baccept\b/g)].length,
    accepted.length + 1,
    'each of them is counted; the input chain says policy accept',
  )
  t.match(rules, /hook forward priority filter; policy drop;/)
  t.end()
})

t.test('each counter is used, and what is dropped is counted', (t) => {
  for (const name of counters) t.match(rules, new RegExp(`counter name ${name} (accept|drop)$`, 'm'), name)
  for (const line of rules.split('\n').filter((text) => / drop$/.test(text))) t.match(line, /counter name dropped_/)
  t.end()
})

t.test('nft takes the rules, twice', (t) => {
  const reason = ZoneNetwork.whyNot()
  if (reason !== null) {
    t.pass(`NOT SHOWN HERE, since ${reason}`)
    t.end()
    return
  }
  const checked = spawnSync('nft', ['-c', '-I', FOLDER, '-f', join(FOLDER, 'tonewall.nft')], { encoding: 'utf8' })
  t.same({ status: checked.status, stderr: checked.stderr }, { status: 0, stderr: '' })
  const spoilt = rules.replace('policy drop', 'policy perhaps')
  t.not(spawnSync('nft', ['-c', '-I', FOLDER, '-f', '-'], { input: spoilt }).status, 0, 'and no others')
  t.end()
})
