import t, { type Test } from 'tap'
import { loadChanged } from '../fakes/changed-configuration.ts'

const KEY_IN_FILE =
  'vault.keys.provider keeps the key-encryption key in a file beside what it protects, which is for development only'
const OWN = { certificate: 'own.crt', key: 'own.key' }
const TLS_TARGET = { host: 'sip.example.com', transport: 'tls' }

function adviceWith(t: Test, changes: Readonly<Record<string, unknown>>): readonly string[] {
  const folder = t.testdir({ 'own.crt': '', 'own.key': '' })
  const loaded = loadChanged(folder, changes)
  if (loaded.kind === 'refused') throw new Error(JSON.stringify(loaded.problems))
  const advice = loaded.advice.map(({ key, problem }) => [key, problem].join(' '))
  // The site as it is shipped is one for development, and is always told so.
  return advice.filter((text) => text !== KEY_IN_FILE)
}

t.test('a site as it is shipped needs no advice but that its key lies in a file', (t) => {
  t.same(adviceWith(t, {}), [])
  const told = (changes: Readonly<Record<string, unknown>>) => {
    const loaded = loadChanged(t.testdir(), changes)
    return loaded.kind === 'loaded' && loaded.advice.some(({ key }) => key === 'vault.keys.provider')
  }
  t.equal(told({}), true)
  t.equal(told({ 'vault.keys': { provider: 'custodians' } }), false)
  t.end()
})

t.test('TLS peers look for a name, and encrypted calls for encrypted audio', (t) => {
  const tls = (advertise: object) => ({
    'sip.tls': { addresses: [{ host: '127.0.0.1', port: 5061, ...advertise }], ...OWN },
    'trunks.0.target': TLS_TARGET,
  })
  t.match(adviceWith(t, tls({})), [
    /^sip\.tls\.addresses\[0\] shows TLS peers an address/,
    /^trunks\[0\]\S* encrypts SIP/,
  ])
  const named = tls({ advertise: 'sbc.example.com' })
  t.same(adviceWith(t, { ...named, 'trunks.0.media': { profile: 'srtp-sdes' } }), [])
  t.match(adviceWith(t, { ...named, 'trunks.0.media': { profile: 'rtp' } }), [/in clear$/])
  t.end()
})

t.test('sources are the peer, all of it and nobody else', (t) => {
  const sources = (...written: readonly string[]) => ({ 'trunks.0.sources': written })
  t.match(adviceWith(t, sources('0.0.0.0/0')), [/^trunks\[0\]\.sources\[0\] lets everybody/])
  t.match(adviceWith(t, sources('127.0.0.2', '2000::/3')), [/^trunks\[0\]\.sources\[1\] lets everybody/])
  const authentication = { realm: 'a', users: [{ user: 'a', passwordFile: 'own.key' }] }
  t.same(adviceWith(t, { ...sources('0.0.0.0/0'), 'trunks.0.authentication': authentication }), [])
  t.match(adviceWith(t, sources('192.0.2.1')), [/^trunks\[0\]\.target\.host is not among the sources/])
  t.same(adviceWith(t, sources('127.0.0.0/24')), [])
  t.end()
})

t.test('telephones of the contact centre can call for help', (t) => {
  t.match(adviceWith(t, { 'routes.1.prefix': '+' }), [/^routes lead no call of contact-centre to 112, 911, 999, 000$/])
  t.match(adviceWith(t, { 'routes.1.prefix': '+', 'sip.emergencyNumbers': ['+911'] }), [])
  t.end()
})

t.test('certificates of development are for one machine', (t) => {
  t.match(adviceWith(t, { 'sip.udp.0.host': '192.0.2.1' }), [/^certificates\.development/])
  t.end()
})
