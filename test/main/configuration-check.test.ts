import t, { type Test } from 'tap'
import { isBelow } from '../../src/main/configuration-check.ts'
import type { ConfigurationProblem } from '../../src/kit/configuration-file.ts'
import { loadChanged } from '../fakes/changed-configuration.ts'

function problemsWith(t: Test, changes: Readonly<Record<string, unknown>>): readonly ConfigurationProblem[] {
  const loaded = loadChanged(t.testdir(), changes)
  return loaded.kind === 'refused' ? loaded.problems : []
}

t.test('a card PIN is refused with the reason', (t) => {
  for (const field of ['pin', 'PIN', 'card-pin']) {
    const [problem, ...more] = problemsWith(t, { 'forms.0.fields.2': field })
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
  const problems = problemsWith(t, { 'desk.agents.0.token': 'hunterhunter' })
  t.match(problems, [{ key: 'desk.agents[0].token', cure: /tokenFile/ }])
  t.notMatch(JSON.stringify(problems), 'hunterhunter')
  t.end()
})

const TLS_WITHOUT_FILES = { addresses: [{ host: '127.0.0.1', port: 5061 }], certificate: 'none', key: 'none' }

const DRACHTIO = { server: 'drachtio', tcp: [], control: { host: '127.0.0.1', port: 9022 } }

/** The users of all processes, some of them changed. */
const USERS = (changes: Readonly<Record<string, string>>) => ({
  ...Object.fromEntries(['sipd', 'sbc', 'guard', 'vault', 'desk', 'rtpengine'].map((name) => [name, `tw-${name}`])),
  ...changes,
})

const CASES: readonly (readonly [change: string, value: unknown, key: string, problem: RegExp])[] = [
  ['routes.0.to', 'nowhere', 'routes[0].to', /no trunk has this name/],
  ['sip', { ...DRACHTIO, udp: [{ host: '127.0.0.1', port: 5060, advertise: '203.0.113.5' }] }, 'sip.server', /decides/],
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
  ['trunks.1.target', undefined, 'trunks[1]', /nowhere to send/],
  ['trunks.1.targets', [{ host: '127.0.0.9' }], 'trunks[1]', /both target and targets/],
  ['trunks.1.target.transport', 'tls', 'trunks[1].target.transport', /no address of sip.tls/],
  ['trunks.1.media', { profile: 'srtp-sdes' }, 'trunks[1].media.profile', /keys of SDES in clear/],
  ['trunks.0.credentials', { user: 'a', passwordFile: 'none' }, 'trunks[0].credentials.passwordFile', /no such file/],
  ['trunks.0.registration', { user: 'a' }, 'trunks[0].registration', /challenge/],
  ['sip.tls', TLS_WITHOUT_FILES, 'sip.tls.certificate', /no such file/],
  ['sip.emergencyNumbers', ['nine'], 'sip.emergencyNumbers[0]', /./],
  ['routes.0.to', [{ trunk: 'nowhere' }], 'routes[0].to', /no trunk has this name/],
  ['routes.0.to', [{ trunk: 'contact-centre' }, { trunk: 'carrier' }], 'routes[0]', /two trunks of one side/],
  ['homer', { host: '127.0.0.1' }, 'homer.port', /./],
  ['users', USERS({ vault: 'root' }), 'users.vault', /is root/],
  ['users', USERS({ vault: 'tw-guard' }), 'users.vault', /is the user of guard, too/],
  ['users', USERS({ vault: 'A user' }), 'users.vault', /./],
  ['users', { vault: 'tw-vault' }, 'users.sipd', /./],
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
  ['vault.store', 'postgresql', 'vault.store', /says no database/],
  ['vault.store', 'mysql', 'vault.store', /./],
  ['vault.postgresql', { host: '192.0.2.5' }, 'vault.postgresql.host', /no TLS/],
  ['vault.postgresql', { host: '127.0.0.1', standbys: [{ host: 'far.example' }] }, 'vault.postgresql.host', /no TLS/],
  ['vault.postgresql', { host: '/run', passwordFile: 'none' }, 'vault.postgresql.passwordFile', /no such file/],
  ['vault.postgresql', { host: '/run', tls: { authority: 'none' } }, 'vault.postgresql.tls.authority', /no such file/],
  ['vault.postgresql', { host: '/run', user: 'a"b' }, 'vault.postgresql.user', /does not fit/],
  ['vault.postgresql', { host: '/run', password: 'hunter' }, 'vault.postgresql.password', /./],
  ['vault.keys', { provider: 'pkcs11' }, 'vault.keys.provider', /does not say where the key lies/],
  ['vault.keys', { provider: 'aws-kms' }, 'vault.keys.provider', /does not say where the key lies/],
  ['vault.keys', { former: [{ provider: 'transit' }] }, 'vault.keys.former[0].provider', /does not say where/],
  ['vault.keys', { former: [{ provider: 'file' }] }, 'vault.keys.former[0]', /is the key that is used now/],
  ['vault.keys', { provider: 'paper' }, 'vault.keys.provider', /./],
  ['vault.keys', { cryptoperiodDays: 0 }, 'vault.keys.cryptoperiodDays', /./],
  [
    'vault.keys',
    { provider: 'transit', transit: { url: 'https://bao.example', key: 'vault', tokenFile: 'none' } },
    'vault.keys.transit.tokenFile',
    /no such file/,
  ],
  [
    'vault.keys',
    { provider: 'transit', transit: { url: 'http://bao.example', key: 'vault', tokenFile: 'none' } },
    'vault.keys.transit.url',
    /does not fit/,
  ],
  ['vault.connectorUrl', 'http://192.0.2.1/', 'vault.connectorUrl', /does not fit/],
  ['merchant', 'shop-4111111111111111', 'merchant', /does not fit/],
  ['trunks.0.merchant', 'nobody', 'trunks[0].merchant', /no merchant of the vault/],
  ['routes.0.merchant', 'shop-4111111111111111', 'routes[0].merchant', /does not fit/],
  ['vault.guardMerchants', ['nobody'], 'vault.guardMerchants', /there is no merchant nobody/],
  ['sip', { udp: [], tcp: [], control: { host: '127.0.0.1', port: 9022 } }, 'sip.udp', /no address for SIP/],
]

t.test('what cannot work is refused with its key', (t) => {
  for (const [change, value, key, text] of CASES) {
    const found = problemsWith(t, { [change]: value }).find((problem) => problem.key === key)
    t.match(found?.problem, text, `${change} is refused at ${key}`)
    t.ok((found?.line ?? 0) > 0 && (found?.cure ?? '') !== '', `${change} has a line and a cure`)
  }
  t.end()
})

t.test('an address range and two routes that differ are accepted', (t) => {
  t.same(problemsWith(t, { 'trunks.0.sources': ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'] }), [])
  t.same(problemsWith(t, { 'routes.0.prefix': '+44' }), [])
  t.same(problemsWith(t, { 'routes.0.merchant': 'development' }), [])
  t.same(problemsWith(t, { 'sip.server': 'drachtio' }), [])
  t.end()
})

t.test('only what lies below a folder is below it', (t) => {
  t.equal(isBelow('/data', '/data/secrets/one'), true)
  t.equal(isBelow('/data', '/data'), false)
  t.equal(isBelow('/data', '/database/one'), false)
  t.equal(isBelow('/data', '/data/../etc/one'), false)
  t.end()
})
