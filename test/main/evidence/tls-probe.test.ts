import { once } from 'node:events'
import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net'
import { createServer, type TlsOptions } from 'node:tls'
import t, { type Test } from 'tap'
import { DEFAULT_CONFIGURATION_FILE, loadConfiguration } from '../../../src/main/configuration.ts'
import { probeTls, tlsPorts, type TlsRow } from '../../../src/main/evidence/tls-probe.ts'
import { freePort } from '../../fakes/free-port.ts'
import { sharedIdentity } from '../../fakes/shared-certificates.ts'

async function listening(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

async function probed(t: Test, options: TlsOptions, mutual: boolean): Promise<TlsRow> {
  const { certificate, key, authority } = sharedIdentity('guard')
  const server = createServer({ cert: certificate, key, ca: authority, ...options }, (socket) =>
    socket.on('error', () => undefined),
  )
  const port = await listening(t, server)
  return probeTls({ name: 'guard-1', host: '127.0.0.1', port, serverName: 'guard.tonewall.internal', mutual })
}

const suites = (row: TlsRow, version: string): readonly string[] =>
  row.versions.find((one) => one.version === version)?.suites ?? ['missing']

t.test('a port as our processes open them: 1.3 alone, and no stranger', async (t) => {
  const row = await probed(t, { minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true }, true)
  t.same([...suites(row, 'TLSv1.3')].sort(), [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
  ])
  for (const version of ['TLSv1.2', 'TLSv1.1', 'TLSv1']) t.same(suites(row, version), [], version)
  t.equal(row.refusesStrangers, true)
  t.match(row.certificate, /^[0-9a-f]{64}$/)
})

t.test('old versions and each of their suites are found where they are taken', async (t) => {
  const ciphers = 'ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0'
  const row = await probed(t, { minVersion: 'TLSv1', maxVersion: 'TLSv1.2', ciphers, honorCipherOrder: true }, false)
  t.same(suites(row, 'TLSv1.3'), [])
  t.same(suites(row, 'TLSv1.2'), [
    'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'TLS_RSA_WITH_AES_128_CBC_SHA',
    'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA',
  ])
  t.same(suites(row, 'TLSv1.1'), ['TLS_RSA_WITH_AES_128_CBC_SHA', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA'])
  t.equal(suites(row, 'TLSv1').length, 2)
  t.equal(row.refusesStrangers, null)
})

t.test('a port that should ask for a certificate, and does not, is found', async (t) => {
  const row = await probed(t, { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' }, true)
  t.same(suites(row, 'TLSv1.3'), ['TLS_AES_128_GCM_SHA256'])
  t.equal(row.refusesStrangers, false)
})

t.test('nobody, and one that speaks no TLS, are told apart from a refusal', async (t) => {
  const probe = (port: number) => probeTls({ name: 'x', host: '127.0.0.1', port, serverName: '', mutual: false })
  t.same((await probe(await freePort())).versions, [])
  const plain = createPlainServer((socket) => socket.on('error', () => undefined).end('SIP/2.0 400 Bad Request\r\n'))
  for (const { suites } of (await probe(await listening(t, plain))).versions) t.same(suites, [])
})

t.test('the ports that speak TLS are those of the configuration', (t) => {
  const loaded = loadConfiguration(DEFAULT_CONFIGURATION_FILE)
  if (loaded.kind === 'refused') throw new Error('the shipped configuration is good')
  const { configuration } = loaded
  t.same(
    tlsPorts(configuration).map(({ name }) => name),
    ['guard-1', 'guard-2', 'vault', 'sbc'],
  )
  const tls = {
    addresses: [{ host: '127.0.0.1', port: 5061, advertise: 'sbc.example' }],
    certificate: '',
    key: '',
    authority: null,
    mutual: true,
    wildcards: false,
    revoked: null,
  }
  const more = tlsPorts({
    ...configuration,
    desk: { ...configuration.desk, tls: { certificate: '', key: '' } },
    sip: { ...configuration.sip, tls },
  })
  t.match(more.slice(4), [
    { name: 'desk', mutual: false },
    { name: 'sipd', port: 5061, serverName: 'sbc.example', mutual: true },
  ])
  t.end()
})
